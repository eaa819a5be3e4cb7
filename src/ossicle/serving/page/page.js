// The page: recordings, adapters, a request, answers.
import { at, count, listed, make } from "./dom.js";
import { askJson } from "./http.js";
import { hide, read, showFor } from "./options.js";
import { Picker } from "./picker.js";
import { predict, verify } from "./requests.js";
import { showAnswers, showNone } from "./results.js";
import { samplesOf } from "./sound.js";
import { Source } from "./source.js";
import { Timeline } from "./timeline.js";

const HINT = "Choose a recording and one or more adapters, then press Run.";
const recordings = { first: null, second: null }; // the files
const timelines = { first: null, second: null };
let running = null; // what cancels the request that runs

const picker = new Picker(at("picker"), changed);

function say(text) {
  at("status").textContent = text;
}

function fail(error) {
  at("problem").textContent = error.message;
  at("problem").hidden = false;
}

const needsPair = () => picker.chosen.some((one) => one.task === "verification");

/** Show what the chosen adapters need: a second recording, options, and what is missing. */
function changed(chosen) {
  at("second-panel").hidden = at("second-sound-panel").hidden = !needsPair();
  showFor(chosen);
  tellWhy();
}

function tellWhy() {
  const missing = [];
  if (!recordings.first) missing.push("a recording");
  if (needsPair() && !recordings.second) missing.push("a second recording");
  if (!picker.chosen.length) missing.push("an adapter");
  at("why").textContent = missing.length ? `Choose ${listed(missing)} first.` : "";
  at("run").setAttribute("aria-disabled", String(missing.length > 0));
  return missing.length === 0;
}

/** Take away answers, and a request that still runs: they are about other recordings. */
function clear() {
  running?.abort();
  at("problem").hidden = true;
  showNone(HINT);
  timelines.first?.mark([]);
}

async function choose(which, file) {
  clear();
  timelines[which]?.close();
  [recordings[which], timelines[which]] = [file, null];
  tellWhy();
  const samples = await samplesOf(file);
  if (recordings[which] !== file) return;
  const place = make("div", {});
  timelines[which] = new Timeline(place, file, samples?.length ? samples : null, {
    name: which === "first" ? "recording" : "second recording",
  });
  at(`${which}-sound`).replaceChildren(make("p", { class: "file" }, file.name), place);
  say(`${file.name} is ready.`);
}

/** Ask the chosen adapters; while they work, the same button cancels. */
async function run() {
  if (running) return clear();
  if (!tellWhy()) return;
  clear();
  const mine = (running = new AbortController());
  at("run").textContent = "Cancel";
  at("answers").setAttribute("aria-busy", "true");
  showNone("Working.");
  say("Working.");
  try {
    say(showAnswers(await answersOf(picker.chosen, mine.signal), picker.all, timelines.first));
  } catch (error) {
    say(mine.signal.aborted ? "Cancelled." : "");
    if (!mine.signal.aborted) {
      clear();
      fail(error);
    }
  } finally {
    running = null;
    at("run").textContent = "Run";
    at("answers").setAttribute("aria-busy", "false");
    tellWhy();
  }
}

/** Return the answers of adapters, in their order, the stages of the request, and its time in ms. */
async function answersOf(chosen, signal) {
  const [start, { first, second }] = [performance.now(), recordings];
  const pairs = chosen.filter((one) => one.task === "verification").map((one) => one.name);
  const others = chosen.filter((one) => one.task !== "verification").map((one) => one.name);
  let own = 0; // time of the request that has stages; scores are asked for at the same time
  const asked = async () => {
    const found = await predict(first, others, read(), signal);
    own = performance.now() - start;
    return found;
  };
  const [one, ...scores] = await Promise.all([
    others.length ? asked() : { answers: [], ms: {} },
    ...pairs.map((name) => verify(first, second, name, signal)),
  ]);
  const all = performance.now() - start;
  return { answers: [...one.answers, ...scores], ms: one.ms, own, all, file: first };
}

/** Return the name of a backbone without its folder, owner and settings. */
const short = (name) => name.split("?")[0].split("/").at(-1);

async function load() {
  try {
    const { adapters } = await askJson("v1/adapters");
    picker.show(adapters);
    const backbones = [...new Set(adapters.map((one) => short(one.backbone)))];
    at("about").textContent = adapters.length
      ? `${count(adapters.length, "adapter")} on ${listed(backbones)}`
      : "";
  } catch (error) {
    fail(error);
  }
}

async function examples() {
  try {
    const { examples: found } = await askJson("examples");
    return found.map((one) => one.name ?? one);
  } catch {
    return []; // a server without the demo corpus has no examples, and works without
  }
}

at("run").addEventListener("click", run);
at("reload").addEventListener("click", load);
// a file that is dropped beside the panel must not replace the page
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
hide();
tellWhy();
const sources = [
  ["first", "first recording"],
  ["second", "second recording"],
].map(
  ([id, noun]) => new Source(at(id), { id, noun, chosen: (file) => choose(id, file), failed: fail, say }),
);
await load();
const names = await examples();
for (const one of sources) one.offer(names);
document.documentElement.dataset.ready = "";
