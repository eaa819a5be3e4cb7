// Requests to the server that sent this page. A key is kept in this variable alone.
import { askForKey } from "./key.js";

let key = "";

/** What the server refused, or why it could not be reached, as a sentence to show. */
export class Refusal extends Error {}

/** Return the JSON of an answer; ask for a key where the server wants one. */
export async function askJson(path, options = {}) {
  return (await ask(path, options)).json();
}

/** Return the bytes of an answer. */
export async function askBlob(path, options = {}) {
  return (await ask(path, options)).blob();
}

async function ask(path, options) {
  for (;;) {
    const used = key;
    const answer = await send(path, options);
    if (answer.ok) return answer;
    if (answer.status !== 401) throw await refusal(answer);
    if (used === key) key = await askForKey(used !== ""); // else another request has a new one
  }
}

async function send(path, options) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    return await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server does not answer. Check that it is running, then try again.");
  }
}

async function refusal(answer) {
  let text = `The server answered with status ${answer.status}.`;
  try {
    text = (await answer.json()).error.message || text;
  } catch {
    // not JSON, such as the page of a proxy: the status must do
  }
  const wait = Number(answer.headers.get("Retry-After"));
  if (!(wait > 0)) return new Refusal(text);
  return new Refusal(
    `${text.replace(/[.\s]*$/, "")}. Try again in ${wait} ${wait === 1 ? "second" : "seconds"}.`,
  );
}
