// Answers as cards: each form that an answer can have, and what it shows.
import { bars } from "./bars.js";
import { make, number, percent, seconds, table } from "./dom.js";
import { shown } from "./label.js";
import { votes } from "./members.js";
import { eventsIn } from "./spans.js";
import { score, verdict } from "./verdict.js";

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
  return make(
    "article",
    { class: answer.members ? "card wide" : "card", "aria-labelledby": id },
    make("header", {}, make("h3", { id }, answer.adapter), make("p", { class: "about" }, about)),
    answer.error
      ? make("p", { class: "problem" }, answer.error)
      : make("div", { class: "body" }, body(answer, order, play)),
    votes(answer, probs),
  );
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
  if (answer.slots)
    return [
      headline(answer),
      Object.entries(answer.slots).map(([slot, probs]) => [make("h4", {}, slot), bars(probs)]),
    ];
  if (answer.probs) return [headline(answer), bars(answer.probs, order)];
  if (answer.values) return values(answer.values);
  if (answer.embedding)
    return make(
      "p",
      { class: "quiet" },
      "This adapter compares voices. Add a second recording and run again.",
    );
  return [headline(answer), notices(answer)];
}

function headline(answer) {
  const sure =
    "confidence" in answer
      ? make(
          "p",
          { class: "about" },
          answer.confidence === null ? "No confidence" : `Confidence ${percent(answer.confidence)}`,
        )
      : null;
  if (answer.label === null) return [make("p", { class: "headline none" }, "Not sure enough"), sure];
  const text = shown(answer);
  if (!text)
    return [make("p", { class: "headline none" }, answer.probs ? "None of the tags" : "No text"), sure];
  const isText = !answer.probs && !answer.slots;
  return [make("p", { class: isText ? "headline text" : "headline", dir: "auto" }, text), sure];
}

function values(of) {
  return make(
    "dl",
    { class: "values" },
    Object.entries(of).map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, number(value))),
    ),
  );
}

function notices(answer) {
  return Object.entries(SIGNS)
    .filter(([sign]) => answer[sign])
    .map(([, text]) => make("p", { class: "notice" }, text));
}

function timed(spans, play, none, title) {
  if (!spans.length) return make("p", { class: "headline none" }, none);
  const row = (one) =>
    make(
      "tr",
      {},
      make(
        "td",
        { class: "time" },
        make(
          "button",
          {
            type: "button",
            class: "link",
            "aria-label": `Play from ${seconds(one.start_s)}: ${one.text}`,
            click: () => play(one.start_s),
          },
          seconds(one.start_s),
        ),
      ),
      make("td", { class: "time" }, seconds(one.end_s)),
      make("td", { dir: "auto" }, one.text),
    );
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}s with times` },
    table(["Start", "End", title], spans.map(row)),
  );
}
