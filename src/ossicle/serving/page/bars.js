// Probabilities as bars. The numbers are text; the bars repeat them.
import { make, percent } from "./dom.js";

const FIRST = 8;

/** Return bars of probabilities by label: the first few of the order, and the others folded. */
export function bars(probs, order = orderOf([probs])) {
  const pairs = order.map((label) => [label, probs[label]]);
  const rest = pairs.slice(FIRST);
  return make(
    "div",
    { class: "bars" },
    list(pairs.slice(0, FIRST)),
    rest.length ? make("details", {}, make("summary", {}, `${rest.length} more`), list(rest)) : null,
  );
}

/** Return labels by their highest probability in any of several answers, so that rows line up. */
export function orderOf(several) {
  const most = (label) => Math.max(...several.map((one) => one[label]));
  return Object.keys(several[0]).sort((one, other) => most(other) - most(one));
}

/** Return the order of bars for each answer that has some: one for all with the same labels. */
export function orders(answers) {
  const key = (one) => JSON.stringify(Object.keys(one.probs).sort());
  const alike = new Map();
  for (const one of answers) if (one.probs) alike.set(key(one), [...(alike.get(key(one)) ?? []), one.probs]);
  return answers.map((one) => one.probs && orderOf(alike.get(key(one))));
}

function list(pairs) {
  return make(
    "dl",
    {},
    pairs.map(([label, prob]) => {
      const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span"));
      bar.firstChild.style.width = `${100 * prob}%`;
      return make(
        "div",
        {},
        make("dt", { dir: "auto" }, label),
        make("dd", {}, bar, make("span", { class: "share" }, percent(prob))),
      );
    }),
  );
}
