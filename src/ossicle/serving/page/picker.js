// Adapters to choose from, of which there may be hundreds: a search, a list, and what is chosen.
import { count, make } from "./dom.js";

const PAGE = 40;

export class Picker {
  /** Build the list in `root`; `changed` is called with the chosen adapters. */
  constructor(root, changed) {
    this.changed = changed;
    this.all = [];
    this.chosenNames = new Set();
    this.shown = PAGE;
    this.search = make("input", {
      type: "search",
      id: "search",
      autocomplete: "off",
      placeholder: "Name, task, label or method",
      input: () => {
        this.shown = PAGE;
        this.draw();
      },
      keydown: (event) => this.fromSearch(event),
    });
    this.field = make("div", { class: "field" }, make("label", { for: "search" }, "Search"), this.search);
    this.found = make("p", { class: "hint", role: "status" });
    this.chips = make("ul", { class: "chips", "aria-label": "Chosen adapters" });
    this.list = make("ul", { class: "choices", "aria-label": "Adapters" });
    this.more = make("button", { type: "button", class: "link", click: () => this.showMore() });
    root.replaceChildren(this.field, this.chips, this.list, this.more, this.found);
  }

  /** The chosen adapters, in the order of the list. */
  get chosen() {
    return this.all.filter((one) => this.chosenNames.has(one.name));
  }

  /** Show other adapters; those that are still there stay chosen. A single one is chosen. */
  show(adapters) {
    this.all = adapters;
    const names = new Set(adapters.map((one) => one.name));
    this.chosenNames = new Set([...this.chosenNames].filter((one) => names.has(one)));
    if (adapters.length === 1) this.chosenNames.add(adapters[0].name);
    this.field.hidden = adapters.length < 8;
    this.draw();
    this.changed(this.chosen);
  }

  matching() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return this.all.filter((one) => words.every((word) => searched(one).includes(word)));
  }

  draw() {
    const found = this.matching();
    this.list.replaceChildren(...found.slice(0, this.shown).map((one) => this.row(one)));
    this.list.hidden = !found.length;
    this.more.hidden = found.length <= this.shown;
    this.more.textContent = `Show ${Math.min(PAGE, found.length - this.shown)} more`;
    this.tell(found.length);
    this.drawChips();
  }

  tell(found) {
    const all = count(this.all.length, "adapter");
    if (!this.all.length) this.found.textContent = "The server has no adapters yet.";
    else if (!found) this.found.textContent = `None of ${all} matches. Try fewer letters.`;
    else if (found === this.all.length) this.found.textContent = `${all}, ${this.chosen.length} chosen.`;
    else this.found.textContent = `${found} of ${all} match, ${this.chosen.length} chosen.`;
  }

  row(one) {
    const box = make("input", {
      type: "checkbox",
      value: one.name,
      change: () => this.toggle(one.name, box.checked),
    });
    box.checked = this.chosenNames.has(one.name);
    return make(
      "li",
      {},
      make(
        "label",
        {},
        box,
        make("span", { class: "name" }, one.name),
        make("span", { class: "about" }, about(one)),
      ),
    );
  }

  drawChips() {
    const chosen = this.all.length < 8 ? [] : this.chosen;
    this.chips.hidden = !chosen.length;
    this.chips.replaceChildren(
      ...chosen.map((one) =>
        make(
          "li",
          {},
          make(
            "button",
            { type: "button", "aria-label": `Leave out ${one.name}`, click: () => this.leaveOut(one.name) },
            one.name,
            make("span", { "aria-hidden": "true" }, "\u00d7"),
          ),
        ),
      ),
    );
  }

  leaveOut(name) {
    this.toggle(name, false);
    (this.chips.querySelector("button") ?? this.search).focus();
  }

  toggle(name, on) {
    if (on) this.chosenNames.add(name);
    else this.chosenNames.delete(name);
    for (const box of this.list.querySelectorAll("input")) box.checked = this.chosenNames.has(box.value);
    this.tell(this.matching().length);
    this.drawChips();
    this.changed(this.chosen);
  }

  showMore() {
    const first = this.shown;
    this.shown += PAGE;
    this.draw();
    this.list.querySelectorAll("input")[first]?.focus();
  }

  /** Enter chooses the first match; the arrow down goes to the list. */
  fromSearch(event) {
    const first = this.list.querySelector("input");
    if (!first || (event.key !== "Enter" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    if (event.key === "ArrowDown") first.focus();
    else this.toggle(first.value, !this.chosenNames.has(first.value));
  }
}

const searched = (one) => [one.name, one.task, one.recipe, ...(one.labels ?? [])].join(" ").toLowerCase();

/** Return the task and size of an adapter in a few words. */
export function about(one) {
  const parts = [one.task];
  if (one.members?.length) parts.push(`ensemble of ${one.members.length}`);
  if (one.labels?.length) parts.push(count(one.labels.length, "label"));
  return parts.join(", ");
}
