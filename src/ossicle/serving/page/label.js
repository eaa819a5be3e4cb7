// The label of an answer.

/** Return the label as people write it: `command=stop,manner=calm` of slots, `loud|high` of tags. */
export function shown(answer) {
  const label = String(answer.label ?? "");
  if (answer.slots)
    return label
      .split(",")
      .map((one) => one.replace(/^[^=]*=/, ""))
      .join(", ");
  if (answer.probs && !(label in answer.probs)) return label === "-" ? "" : label.replaceAll("|", ", ");
  return label;
}
