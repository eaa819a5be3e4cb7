// What the page asks the server to do with recordings.
import { askJson } from "./http.js";

/** Return the answers of adapters for a recording. */
export function predict(file, names, options, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  for (const name of names) form.append("adapter", name);
  for (const [name, value] of options) form.append(name, value);
  return askJson("v1/predict", { method: "POST", body: form, signal });
}

/** Return the score of two recordings by an adapter. */
export function verify(first, second, name, signal) {
  const form = new FormData();
  form.append("first", first, first.name);
  form.append("second", second, second.name);
  form.append("adapter", name);
  return askJson("v1/verify", { method: "POST", body: form, signal });
}
