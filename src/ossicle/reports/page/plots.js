"use strict";
// Draws the plots of a report in the colours of the page, and saves them.
(() => {
  const root = document.documentElement;
  const every = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- colours, symbols and dashes --------------------------------------------------------

  const narrow = matchMedia("(max-width: 40rem)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down"];
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const PATTERNS = ["", "/", "x", ".", "\\", "-", "+", "|"];
  const PRINTED = { width: 680, narrow: false };

  function theme() {
    const style = getComputedStyle(root);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const colours = {};
    for (const name of ["ground", "ink", "quiet", "rule", "grid", "low", "middle", "high", "below", "pale-high", "pale-below", "text"])
      colours[name] = read(name);
    colours.series = read("series").split(/\s+/);
    return colours;
  }

  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const alpha = (hex, share) => `rgba(${channels(hex).join(", ")}, ${share})`;
  function mix(one, other, share) {
    const [a, b] = [channels(one), channels(other)];
    return `rgb(${a.map((value, at) => Math.round(value * (1 - share) + b[at] * share)).join(", ")})`;
  }

  const isTable = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

  // The entries of both; where both have one, that of the second.
  function merge(base, over) {
    const merged = { ...base };
    for (const [key, value] of Object.entries(over))
      merged[key] = isTable(value) && isTable(base[key]) ? merge(base[key], value) : value;
    return merged;
  }

  // Plotly reads some HTML in every text, so plain text is escaped. Long names would leave no room
  // for the plot, so they are shortened in the middle, but stay different from each other.
  function texts(limit) {
    const known = new Map();
    const taken = new Set();
    const escape = (text) =>
      text.replace(/\s+/g, " ").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    function short(text) {
      if (known.has(text)) return known.get(text);
      const letters = [...text.replace(/\s+/g, " ")];
      let shown = letters.join("");
      for (let number = 1; letters.length > limit && (number === 1 || taken.has(shown)); number++) {
        const end = number > 1 ? ` (${number})` : "";
        const half = Math.floor((limit - 1 - end.length) / 2);
        shown = `${letters.slice(0, half).join("")}…${letters.slice(-half).join("")}${end}`;
      }
      taken.add(shown);
      known.set(text, shown);
      return shown;
    }
    const NAMES = ["name", "x", "y", "ticktext", "categoryarray", "labels"];
    function clean(value, key, isName) {
      if (/(template|format)$/.test(key)) return value;
      if (typeof value === "string") return escape(isName ? short(value) : value);
      if (Array.isArray(value)) return value.map((one) => clean(one, key, isName));
      if (!isTable(value)) return value;
      return Object.fromEntries(
        Object.entries(value).map(([name, one]) => [name, clean(one, name, NAMES.includes(name))]));
    }
    return (value) => clean(value, "", false);
  }

  const HEAT = ["heatmap", "contour", "histogram2d", "histogram2dcontour", "surface"];

  // Where numbers are written on the cells, the colours are pale enough to read them.
  function scale(colours, diverging, written = false) {
    const high = colours[written ? "pale-high" : "high"];
    if (!diverging) return written ? [[0, colours.low], [1, high]] : [[0, colours.low], [0.5, colours.middle], [1, high]];
    return [[0, colours[written ? "pale-below" : "below"]], [0.5, colours.low], [1, written ? high : colours.middle]];
  }

  const ABOVE = { orientation: "h", x: 0, xanchor: "left", xpad: 0, y: 1.02, yanchor: "bottom", len: 1, title: { side: "top" } };

  function appearance(trace, series, colours, slim) {
    const { role, scale: kind } = trace.meta ?? {};
    const colour = colours.series[series % colours.series.length];
    const symbol = SYMBOLS[series % SYMBOLS.length];
    const grey = { reference: colours.quiet, background: alpha(colours.quiet, 0.45) }[role];
    if (HEAT.includes(trace.type)) {
      return {
        colorscale: scale(colours, kind === "diverging", Boolean(trace.texttemplate)),
        ...(trace.texttemplate ? { textfont: { color: colours.ink } } : {}),
        ...(kind === "diverging" ? { zmid: 0 } : {}),
        xgap: 2, ygap: 2, hoverongaps: false,
        colorbar: { thickness: 12, outlinewidth: 0, ticks: "", ...(slim ? ABOVE : { len: 0.9 }) },
      };
    }
    if (role === "band") {
      return {
        mode: "lines", fillcolor: alpha(colour, 0.18), line: { width: 0, color: colour },
        hoverinfo: "skip", showlegend: false, legendgroup: `series-${series}`,
        ...(trace.fill ? {} : { fill: "toself" }),
      };
    }
    const drawn = grey ?? colour;
    const edge = grey ?? mix(colour, colours.ink, 0.35);
    const style = {
      line: { color: drawn, width: role === "reference" ? 1.5 : 2, dash: DASHES[series % DASHES.length] },
      marker: { color: drawn },
      ...(role ? {} : { legendgroup: `series-${series}` }),
    };
    if (role === "reference") Object.assign(style.line, { dash: "dot" });
    if (role === "reference" && !trace.mode) style.mode = "lines";
    for (const error of ["error_x", "error_y"])
      if (trace[error]) style[error] = { color: drawn, thickness: 1.5, width: 3 };
    if (trace.type === "bar" || trace.type === "histogram") {
      delete style.line;
      style.marker.line = { width: 0 };
      style.marker.pattern = { shape: PATTERNS[series % PATTERNS.length], fillmode: "overlay", fgcolor: colours.ground, fgopacity: 0.6, size: 6, solidity: 0.25 };
    } else if (trace.type === "box" || trace.type === "violin") {
      style.fillcolor = alpha(colour, 0.25);
      style.line = { color: drawn, width: 1.5 };
    } else {
      Object.assign(style.marker, { symbol, size: role === "background" ? 5 : 8, line: { width: 1, color: edge } });
    }
    if (Array.isArray(trace.marker?.color)) style.marker.colorscale = scale(colours, kind === "diverging");
    return style;
  }

  // On a narrow screen, numbers on many cells would be too small to read.
  function withoutTinyText(trace) {
    const { texttemplate, ...rest } = trace;
    return HEAT.includes(trace.type) && trace.z?.[0]?.length > 6 ? rest : trace;
  }

  function traces(figure, colours, clean, slim) {
    let next = 0;
    const listed = new Set();
    return figure.traces.map((given) => {
      const trace = slim ? withoutTinyText(given) : given;
      const meta = trace.meta ?? {};
      const series = meta.series ?? (meta.role || HEAT.includes(trace.type) ? 0 : next++);
      const styled = merge(appearance(trace, series, colours, slim), clean(trace));
      const entry = `${styled.legendgroup}/${styled.name}`;
      if (styled.showlegend === undefined && listed.has(entry)) styled.showlegend = false;
      if (styled.showlegend !== false) listed.add(entry);
      return styled;
    });
  }

  function template(colours) {
    const axis = {
      gridcolor: colours.grid, linecolor: colours.rule, zerolinecolor: colours.rule, zerolinewidth: 1,
      exponentformat: "SI", tickcolor: colours.rule, ticks: "outside", ticklen: 4, automargin: true,
      tickfont: { color: colours.quiet }, title: { standoff: 12, font: { color: colours.ink } },
    };
    return {
      layout: {
        font: { family: colours.text, size: 13, color: colours.ink },
        colorway: colours.series,
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        margin: { l: 56, r: 16, t: 16, b: 40 },
        xaxis: axis, yaxis: axis,
        legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", tracegroupgap: 0, font: { color: colours.ink } },
        hoverlabel: { bgcolor: colours.ground, bordercolor: colours.rule, font: { family: colours.text, color: colours.ink }, namelength: -1 },
        annotationdefaults: { font: { color: colours.ink }, arrowcolor: colours.quiet },
        shapedefaults: { line: { color: colours.quiet, width: 1 } },
        hovermode: "closest",
      },
    };
  }

  // On a narrow screen, subplots of a grid are below one another.
  function stacked(layout) {
    const grid = layout.grid;
    if (!grid || !(grid.columns > 1) || grid.pattern !== "independent") return layout;
    const rows = (grid.rows ?? 1) * grid.columns;
    return { ...layout, height: 280 * rows, grid: { ...grid, rows, columns: 1 } };
  }

  function drawing(figure, view) {
    const colours = theme();
    const clean = texts(view.narrow ? 22 : 40);
    const given = view.narrow ? stacked(figure.layout) : figure.layout;
    const base = {
      template: template(colours), autosize: !view.width, height: view.narrow ? 360 : 440,
      dragmode: touch.matches ? false : "zoom", // a finger on a plot scrolls the page
      ...(view.width ? { width: view.width } : {}),
    };
    const data = traces(figure, colours, clean, view.narrow);
    const layout = merge(base, clean(given));
    for (const axis of Object.values(layout))
      if (axis?.type === "log" && !axis.tickvals) axis.dtick ??= "D2"; // 1, 2 and 5 of each decade
    const listed = data.filter((one) => one.showlegend !== false && one.name !== undefined).length;
    if (view.narrow && listed > 4) layout.height += 19 * listed; // the legend is above the plot
    return { data, layout };
  }

  // ---- drawing and saving -----------------------------------------------------------------

  const source = document.getElementById("figures");
  const figures = new Map(source ? JSON.parse(source.textContent).map((one) => [one.name, one]) : []);
  const CONFIG = {
    displayModeBar: false, responsive: true, plotlyServerURL: "",
  };

  function draw(div, view) {
    try {
      const { data, layout } = drawing(figures.get(div.dataset.figure), view);
      div.style.minHeight = `${layout.height}px`;
      Plotly.purge(div); // an update would leave the colour bar of another width
      Plotly.newPlot(div, data, layout, CONFIG).catch((error) => failed(div, error));
      div.on("plotly_afterplot", () => separateLabels(div));
      separateLabels(div);
    } catch (error) {
      failed(div, error);
    }
  }

  const apart = (a, b) =>
    a.right < b.left || a.left > b.right || a.bottom < b.top || a.top > b.bottom;

  // Moves the label of a point away from points and other text, or else hides it; the text that
  // appears when one points there has it too.
  function separateLabels(div) {
    const labels = every(".textpoint", div);
    if (!labels.length) return;
    const edge = div.getBoundingClientRect();
    const boxOf = (element) => element.getBoundingClientRect();
    const taken = every("path.point, text", div).filter((one) => !one.closest(".textpoint")).map(boxOf);
    for (const label of labels) {
      label.style.translate = "";
      const box = boxOf(label);
      const [side, half] = [box.width / 2 + 8, box.height / 2 + 8];
      const moves = [[0, 0], [side, half], [-side, half], [0, 2 * half + 6], [side, -4], [-side, -4]];
      const places = moves.map(([x, y]) => new DOMRect(box.x + x, box.y + y, box.width, box.height));
      const at = places.findIndex((one) => one.left >= edge.left && one.right <= edge.right
        && one.top >= edge.top && taken.every((other) => apart(one, other)));
      label.style.visibility = at < 0 ? "hidden" : "";
      if (at < 0) continue;
      label.style.translate = `${moves[at][0]}px ${moves[at][1]}px`;
      taken.push(places[at]);
    }
  }

  function failed(div, error) {
    div.classList.add("failed");
    div.style.minHeight = "";
    div.textContent = `This plot could not be drawn: ${error.message}. Its data can be saved below.`;
    console.error(error);
  }

  const plots = every(".plot");
  const onScreen = () => ({ narrow: narrow.matches });
  const drawAll = (view) => plots.forEach((div) => draw(div, view));

  async function drawOneByOne() {
    for (const div of plots) {
      draw(div, onScreen());
      await new Promise((next) => setTimeout(next)); // the page stays responsive
    }
    root.dataset.drawn = "";
  }

  function save(name, type, content) {
    const link = document.createElement("a");
    link.download = name;
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  function inLight(make) {
    root.dataset.scheme = "light";
    try {
      return make();
    } finally {
      delete root.dataset.scheme;
    }
  }

  async function saveFigure(button) {
    const figure = figures.get(button.closest("figure").querySelector(".plot").dataset.figure);
    if (button.dataset.save === "json") {
      save(`${figure.name}.json`, "application/json", JSON.stringify(figure, null, 2));
      return;
    }
    const { data, layout } = inLight(() => drawing(figure, { width: 900, narrow: false }));
    const url = await Plotly.toImage(
      { data, layout: { ...layout, paper_bgcolor: "#ffffff" } },
      { format: "svg", width: 900, height: layout.height });
    save(`${figure.name}.svg`, "image/svg+xml", decodeURIComponent(url.slice(url.indexOf(",") + 1)));
  }

  every("[data-save]").forEach((one) => one.addEventListener("click", () => saveFigure(one)));
  for (const change of [dark, narrow, touch]) change.addEventListener("change", () => drawAll(onScreen()));
  addEventListener("beforeprint", () => {
    root.dataset.scheme = "light";
    drawAll(PRINTED);
  });
  addEventListener("afterprint", () => {
    delete root.dataset.scheme;
    drawAll(onScreen());
  });
  drawOneByOne();
})();
