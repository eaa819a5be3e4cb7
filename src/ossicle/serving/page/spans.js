// What has a place on the time axis: events and segments of answers.

const EVENT = /^([\d.]+)-([\d.]+):(.*)$/s;

/** Return the events of an answer as spans, or null if it has none: `0.2-1.5:speech|...`. */
export function eventsIn(answer) {
  if (!("frames" in answer) || typeof answer.label !== "string") return null;
  if (answer.label === "-" || !answer.label) return [];
  const found = answer.label.split("|").map((one) => one.match(EVENT));
  if (found.includes(null)) return null;
  return found.map(([, start, end, text]) => ({ start_s: Number(start), end_s: Number(end), text }));
}

/** Return the lanes of an answer: one for each class of event, one for a transcript. */
export function lanesOf(answer) {
  if (answer.segments) return [{ title: answer.adapter, spans: answer.segments }];
  const byClass = new Map();
  for (const one of eventsIn(answer) ?? []) byClass.set(one.text, [...(byClass.get(one.text) ?? []), one]);
  return [...byClass].map(([name, spans]) => ({ title: `${answer.adapter}: ${name}`, spans, isNamed: true }));
}
