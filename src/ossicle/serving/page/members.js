// The votes of an ensemble.
import { count, make, percent, table } from "./dom.js";
import { shown } from "./label.js";
import { eventsIn } from "./spans.js";

/** Return what each member of an ensemble says, and whether the vote agrees with it; null without members. */
export function votes(answer, probs) {
  const members = Object.entries(answer.members ?? {});
  if (!members.length) return null;
  const row = ([name, label]) => {
    const found = eventsIn({ ...answer, label });
    const prob = probs.get(name)?.[label];
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, name),
      make(
        "td",
        { dir: "auto" },
        found ? count(found.length, "event") : shown({ ...answer, label }) || "none",
      ),
      probs.size ? make("td", { class: "number" }, prob === undefined ? "" : percent(prob)) : null,
      answer.values
        ? null
        : make("td", {}, label === answer.label ? "agrees" : make("strong", {}, "differs")),
    );
  };
  const heads = [
    "Member",
    "Answer",
    ...(probs.size ? [["Probability", "number"]] : []),
    ...(answer.values ? [] : ["Vote"]),
  ];
  return make(
    "div",
    { class: "votes" },
    make("h4", {}, count(members.length, "member")),
    table(heads, members.map(row)),
  );
}
