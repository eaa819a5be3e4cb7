// Where the time of a request went, stage by stage.
import { make } from "./dom.js";

const STAGES = [
  ["decode", "decode", "reading and resampling the recording"],
  ["queue", "queue", "waiting for a place in a batch"],
  ["model", "model", "the backbone with its adapters"],
  ["rest", "other", "everything else in the server"],
  ["way", "transfer", "between this page and the server"],
];

/**
 * Return the stages of a request. `ms` is the server's account of it; the page has measured that it
 * took `own`, and `all` with those that were sent at the same time, in milliseconds.
 */
export function latency(ms, own, all) {
  const title = make("h3", {}, `Answered in ${time(all)}`);
  if (!("total" in ms)) return make("div", { class: "latency" }, title);
  const inside = ms.total;
  const known = (ms.decode ?? 0) + (ms.queue ?? 0) + (ms.model ?? 0);
  const of = { ...ms, rest: Math.max(0, inside - known), way: Math.max(0, own - inside) };
  const shown = STAGES.filter(([key]) => typeof of[key] === "number");
  const sum = Math.max(
    1e-9,
    shown.reduce((total, [key]) => total + of[key], 0),
  );
  const bar = make(
    "div",
    { class: "stages", "aria-hidden": "true" },
    shown.map(([key]) => {
      const part = make("span", { class: `stage-${key}` });
      part.style.width = `${(100 * of[key]) / sum}%`;
      return part;
    }),
  );
  const rows = shown.map(([key, name, about]) =>
    make(
      "div",
      { title: about },
      make("dt", {}, make("span", { class: `key stage-${key}`, "aria-hidden": "true" }), name),
      make("dd", {}, time(of[key])),
    ),
  );
  return make("div", { class: "latency" }, title, bar, make("dl", {}, rows));
}

const time = (ms) =>
  ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
