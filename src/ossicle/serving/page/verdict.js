// Whether two recordings are of one voice: a score on its scale, and the threshold.
import { make, number } from "./dom.js";

/** Return the answer about two voices in words. */
export function verdict(answer) {
  if (answer.same === true) return "the same voice";
  if (answer.same === false) return "different voices";
  return `similarity ${number(answer.score)}`;
}

/** Return the score of two recordings as elements. */
export function score(answer) {
  const place = (value) => `${50 * (1 + Math.max(-1, Math.min(1, value)))}%`;
  const [dot, line] = [make("span", { class: "dot" }), make("span", { class: "threshold" })];
  dot.style.left = place(answer.score);
  line.style.left = place(answer.threshold ?? 0);
  const known = typeof answer.threshold === "number";
  const words = verdict(answer);
  return [
    make("p", { class: "headline" }, words[0].toUpperCase() + words.slice(1)),
    make("div", { class: "scale", "aria-hidden": "true" }, known ? line : null, dot),
    make(
      "div",
      { class: "scale-ends", "aria-hidden": "true" },
      make("span", {}, "\u22121"),
      make("span", {}, "0"),
      make("span", {}, "1"),
    ),
    make(
      "p",
      { class: "about" },
      known
        ? `Cosine similarity ${number(answer.score)}; from ${number(answer.threshold)} on it counts as the same voice.`
        : `Cosine similarity, from \u22121 to 1. This adapter has no threshold, so the answer is yours.`,
    ),
  ];
}
