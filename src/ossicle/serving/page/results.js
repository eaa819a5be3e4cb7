// The answers to a request: cards, lanes on the time axis, and where the time went.
import { card, said } from "./answers.js";
import { orders } from "./bars.js";
import { at, isCalm, make } from "./dom.js";
import { latency } from "./latency.js";
import { about } from "./picker.js";
import { lanesOf } from "./spans.js";

const HUES = 6;

/** Show a sentence in place of answers. */
export function showNone(text) {
  at("of").textContent = "";
  at("latency").replaceChildren();
  at("cards").classList.remove("many");
  at("cards").replaceChildren(make("p", { class: "empty" }, text));
}

/**
 * Show answers, with that of a vote first; return them in words, for screen readers.
 * `adapters` are all that the server has, `timeline` is that of the recording.
 */
export function showAnswers({ answers, ms, own, all, file }, adapters, timeline) {
  const voteFirst = [...answers.filter(isVote), ...answers.filter((one) => !isVote(one))];
  const tasks = new Map(adapters.map((one) => [one.name, about(one)]));
  const probs = new Map(answers.filter((one) => one.probs).map((one) => [one.adapter, one.probs]));
  const ordered = orders(voteFirst);
  const cards = voteFirst.map((one, n) =>
    card(one, {
      about: isVote(one) ? "the chosen adapters together" : (tasks.get(one.adapter) ?? ""),
      order: ordered[n],
      probs: isVote(one) ? probs : new Map(),
      play: (from) => timeline?.playFrom(from),
    }),
  );
  at("cards").replaceChildren(...cards);
  at("cards").classList.toggle("many", cards.length > 1);
  timeline?.mark(answers.flatMap(lanesOf).map((lane, n) => ({ ...lane, hue: n % HUES })));
  at("latency").replaceChildren(latency(ms, own, all));
  at("of").textContent = file.name;
  bringIntoView(at("answers"));
  return voteFirst.map(said).join(". ");
}

const isVote = (answer) => answer.adapter === "ensemble" && "members" in answer;

function bringIntoView(element) {
  if (element.getBoundingClientRect().top > innerHeight - 80)
    element.scrollIntoView({ behavior: isCalm() ? "auto" : "smooth" });
}
