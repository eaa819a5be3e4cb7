// Elements whose text is set as text: nothing that a server or file says is parsed as HTML.

/** Return a new element. Functions in `attributes` are listeners; null and false leave one out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined));
  return element;
}

/** Return a table. A heading is its text, or its text and the class of its column. */
export function table(heads, rows) {
  const head = (one) => {
    const [text, kind] = [one].flat();
    return make("th", { scope: "col", class: kind }, text);
  };
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, heads.map(head))),
    make("tbody", {}, rows),
  );
}

/** Return the element with an id. */
export const at = (id) => document.getElementById(id);

/** Return a number of seconds as people write it: 0.42 s, 12.3 s, 3:05. */
export function seconds(value) {
  if (value >= 60) {
    const whole = Math.round(value);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

/** Return a probability as a percentage with one decimal; never 100 % or 0 % by rounding alone. */
export function percent(value) {
  if (value > 0 && value < 0.001) return "< 0.1 %";
  if (value < 1 && value > 0.999) return "> 99.9 %";
  return `${(100 * value).toFixed(1)} %`;
}

/** Return a number with three digits or more, and a minus as print has it. */
export const number = (value) =>
  (Math.abs(value) >= 100 ? value.toFixed(1) : value.toPrecision(3)).replace("-", "\u2212");

/** Return "1 adapter" or "3 adapters". */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Return items joined by commas and "and". */
export function listed(items) {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Whether the reader asked for little movement. */
export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
