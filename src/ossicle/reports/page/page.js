"use strict";
// Copies the command, sorts tables, and marks in the contents what is on the screen.
(() => {
  const every = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- the command -----------------------------------------------------------------------------

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    let done = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source); // without permission or a secure context
      done = document.execCommand("copy");
    }
    button.parentElement.querySelector("[role=status]").textContent = done
      ? "Copied"
      : "Selected; copy it with the keyboard";
  }

  // ---- tables ----------------------------------------------------------------------------------

  const collator = new Intl.Collator(undefined, { numeric: true });

  function compare(a, b) {
    if (a.value !== null && b.value !== null) return a.value - b.value;
    return collator.compare(a.text, b.text);
  }

  // Ascending, then descending, then as it was. Cells without a value are last in both directions.
  function sort(heading) {
    const headings = [...heading.parentElement.children];
    const column = headings.indexOf(heading);
    const order = { ascending: "descending", descending: null }[heading.getAttribute("aria-sort")];
    const direction = order === undefined ? "ascending" : order;
    headings.forEach((one) => one.removeAttribute("aria-sort"));
    if (direction) heading.setAttribute("aria-sort", direction);
    const body = heading.closest("table").tBodies[0];
    const numbers = heading.classList.contains("number");
    const rows = [...body.rows].map((row, index) => {
      row.dataset.position ??= index;
      const cell = row.cells[direction ? column : 0];
      const value = cell.dataset.value === undefined ? null : Number(cell.dataset.value);
      const missing = Number.isNaN(value) || (numbers && value === null);
      return { row, value, missing, text: cell.textContent, position: Number(row.dataset.position) };
    });
    const sign = direction === "descending" ? -1 : 1;
    rows.sort((a, b) =>
      (direction && (a.missing - b.missing || (a.missing ? 0 : sign * compare(a, b)))) ||
      a.position - b.position);
    body.append(...rows.map((one) => one.row));
  }

  // ---- the contents ------------------------------------------------------------------------------

  function followContents() {
    const links = new Map(every("nav a").map((link) => [link.hash.slice(1), link]));
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    }, { rootMargin: "-20% 0px -70% 0px" });
    every("main > section").forEach((section) => watch.observe(section));
  }

  // ---- everything is connected here --------------------------------------------------------------

  every("[data-copy]").forEach((one) => one.addEventListener("click", () => copy(one)));
  every("thead button").forEach((one) => one.addEventListener("click", () => sort(one.parentElement)));
  followContents();
})();
