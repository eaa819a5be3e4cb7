// Options of a request, shown where a chosen adapter has a use for them.
import { at, make } from "./dom.js";

const WRITTEN = ["seq2seq", "translation", "answering"];
const SURE = ["classification", "intent"];
const MEAN = ["soft", "By their mean"];
const MAJORITY = ["majority", "By majority"];
const ROVER = ["rover", "Word by word (ROVER)"];
const VOTES = {
  regression: [MEAN],
  verification: [],
  ...Object.fromEntries(WRITTEN.map((one) => [one, [ROVER]])),
};
for (const one of ["asr", "words", "phones"]) VOTES[one] = [MEAN, MAJORITY, ROVER];
const FIELDS = ["vote", "abstain", "prompt", "times"];

/** Hide all options. */
export function hide() {
  at("options").hidden = true;
}

/** Show the options of the chosen adapters. */
export function showFor(chosen) {
  const fits = {
    vote: chosen.length > 1 && chosen.every((one) => isLike(one, chosen[0]) && !one.members),
    abstain: chosen.length > 0 && chosen.every((one) => SURE.includes(one.task)),
    prompt: chosen.length > 0 && chosen.every((one) => WRITTEN.includes(one.task)),
    times: chosen.length > 0 && chosen.every((one) => WRITTEN.includes(one.task)),
  };
  if (fits.vote) offer(VOTES[chosen[0].task] ?? [MEAN, MAJORITY]);
  for (const name of FIELDS) at(`${name}-field`).hidden = !fits[name];
  at("options").hidden = !Object.values(fits).includes(true);
}

/** Return the options as fields of a request; those that are hidden or empty are left out. */
export function read() {
  const fields = {
    vote: at("vote").value,
    abstain: at("abstain").value,
    prompt: at("prompt").value.trim(),
    timestamps: at("times").checked ? "true" : "",
  };
  const shown = { vote: "vote", abstain: "abstain", prompt: "prompt", timestamps: "times" };
  return Object.entries(fields).filter(([name, value]) => value !== "" && !at(`${shown[name]}-field`).hidden);
}

/** Offer votes; the one that was chosen stays so if it is among them. */
function offer(votes) {
  const chosen = at("vote").value;
  const options = [["", "No, show each"], ...votes].map(([value, text]) => make("option", { value }, text));
  at("vote").replaceChildren(...options);
  at("vote").value = votes.some(([name]) => name === chosen) ? chosen : "";
}

const isLike = (one, other) =>
  one.task === other.task &&
  one.task !== "verification" &&
  JSON.stringify(one.labels) === JSON.stringify(other.labels);
