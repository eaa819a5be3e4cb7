// Answers as cards: each form that an answer can have, and what it shows.
import { bars } from "./bars.js";
import { count, make, percent, seconds } from "./dom.js";
import { eventsIn } from "./spans.js";

const SIGNS = {
  no_speech: "No speech was found in a part of the recording, so no text was written for it.",
  repetitive: "The text repeats itself, so it is probably not what was said.",
  improbable: "The model itself finds this text improbable.",
};

/**
 * Return the card of an answer.
 * `order` has the labels in the order of their bars, `probs` the probabilities of other answers by
 * adapter, and `play` is called with a time in seconds to play from.
 */
export function card(answer, { about, order, play, probs }) {
  const id = `answer-${Math.random().toString(36).slice(2)}`;
  const members = membersOf(answer);
  return make("article", { class: members.length ? "card wide" : "card", "aria-labelledby": id },
    make("header", {}, make("h3", { id }, answer.adapter), make("p", { class: "about" }, about)),
    answer.error ? make("p", { class: "problem" }, answer.error) : make("div", { class: "body" }, body(answer, order, play)),
    votes(answer, members, probs));
}

/** Return an answer in a few words, for screen readers. */
export function said(answer) {
  if (answer.error) return `${answer.adapter}: ${answer.error}`;
  if ("score" in answer) return `${answer.adapter}: ${verdict(answer)}`;
  if (answer.label === null) return `${answer.adapter}: not sure enough to answer`;
  const found = eventsIn(answer);
  if (found) return `${answer.adapter}: ${found.length} events`;
  const prob = answer.probs?.[answer.label];
  return `${answer.adapter}: ${shown(answer) || "none"}${prob === undefined ? "" : `, ${percent(prob)}`}`;
}

function body(answer, order, play) {
  if ("score" in answer) return score(answer);
  const found = eventsIn(answer);
  if (found) return timed(found, play, "No event was found.", "Event");
  if (answer.segments) return [headline(answer), notices(answer), timed(answer.segments, play, "", "Text")];
  if (answer.slots) return [headline(answer), Object.entries(answer.slots).map(([slot, probs]) => [make("h4", {}, slot), bars(probs)])];
  if (answer.probs) return [headline(answer), bars(answer.probs, order)];
  if (answer.values) return values(answer.values);
  if (answer.embedding) return make("p", { class: "quiet" }, "This adapter compares voices. Add a second recording and run again.");
  return [headline(answer), notices(answer)];
}

function headline(answer) {
  const sure = "confidence" in answer ? make("p", { class: "about" }, answer.confidence === null ? "No confidence" : `Confidence ${percent(answer.confidence)}`) : null;
  if (answer.label === null) return [make("p", { class: "headline none" }, "Not sure enough"), sure];
  const text = shown(answer);
  if (!text) return [make("p", { class: "headline none" }, answer.probs ? "None of the tags" : "No text"), sure];
  const isText = !answer.probs && !answer.slots;
  return [make("p", { class: isText ? "headline text" : "headline", dir: "auto" }, text), sure];
}

/** Return the label as people write it: `command=stop,manner=calm` of slots, `loud|high` of tags. */
function shown(answer) {
  const label = String(answer.label ?? "");
  if (answer.slots) return label.split(",").map((one) => one.replace(/^[^=]*=/, "")).join(", ");
  if (answer.probs && !(label in answer.probs)) return label === "-" ? "" : label.replaceAll("|", ", ");
  return label;
}

function values(of) {
  return make("dl", { class: "values" }, Object.entries(of).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, number(value)))));
}

const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(1) : value.toPrecision(3)).replace("-", "\u2212");

function notices(answer) {
  return Object.entries(SIGNS).filter(([sign]) => answer[sign]).map(([, text]) => make("p", { class: "notice" }, text));
}

function timed(spans, play, none, title) {
  if (!spans.length) return make("p", { class: "headline none" }, none);
  const row = (one) => make("tr", {},
    make("td", { class: "time" }, make("button", { type: "button", class: "link", "aria-label": `Play from ${seconds(one.start_s)}: ${one.text}`, click: () => play(one.start_s) }, seconds(one.start_s))),
    make("td", { class: "time" }, seconds(one.end_s)), make("td", { dir: "auto" }, one.text));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}s with times` },
    make("table", {}, make("thead", {}, make("tr", {}, ["Start", "End", title].map((one) => make("th", { scope: "col" }, one)))), make("tbody", {}, spans.map(row))));
}

function verdict(answer) {
  if (answer.same === true) return "the same voice";
  if (answer.same === false) return "different voices";
  return `similarity ${number(answer.score)}`;
}

function score(answer) {
  const place = (value) => `${50 * (1 + Math.max(-1, Math.min(1, value)))}%`;
  const [dot, line] = [make("span", { class: "dot" }), make("span", { class: "threshold" })];
  dot.style.left = place(answer.score);
  line.style.left = place(answer.threshold ?? 0);
  const known = typeof answer.threshold === "number";
  const words = verdict(answer);
  return [make("p", { class: "headline" }, words[0].toUpperCase() + words.slice(1)),
    make("div", { class: "scale", "aria-hidden": "true" }, known ? line : null, dot),
    make("div", { class: "scale-ends", "aria-hidden": "true" }, make("span", {}, "\u22121"), make("span", {}, "0"), make("span", {}, "1")),
    make("p", { class: "about" }, known ? `Cosine similarity ${number(answer.score)}; from ${number(answer.threshold)} on it counts as the same voice.` : `Cosine similarity, from \u22121 to 1. This adapter has no threshold, so the answer is yours.`)];
}

const membersOf = (answer) => Object.entries(answer.members ?? {});

/** Return what each member of an ensemble says, and whether the vote went its way. */
function votes(answer, members, probs) {
  if (!members.length) return null;
  const row = ([name, label]) => {
    const found = eventsIn({ ...answer, label });
    const prob = probs.get(name)?.[label];
    return make("tr", {}, make("th", { scope: "row" }, name),
      make("td", { dir: "auto" }, found ? count(found.length, "event") : shown({ ...answer, label }) || "none"),
      probs.size ? make("td", { class: "number" }, prob === undefined ? "" : percent(prob)) : null,
      answer.values ? null : make("td", {}, label === answer.label ? "agrees" : make("strong", {}, "differs")));
  };
  const heads = ["Member", "Answer", ...(probs.size ? ["Probability"] : []), ...(answer.values ? [] : ["Vote"])];
  return make("div", { class: "votes" }, make("h4", {}, count(members.length, "member")),
    make("table", {}, make("thead", {}, make("tr", {}, heads.map((one) => make("th", { scope: "col", class: one === "Probability" ? "number" : null }, one)))), make("tbody", {}, members.map(row))));
}
