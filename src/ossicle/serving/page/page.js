// The page: recordings, adapters, a request, answers.
import { card, said } from "./answers.js";
import { orders } from "./bars.js";
import { at, count, isCalm, listed, make } from "./dom.js";
import { askJson } from "./http.js";
import { latency } from "./latency.js";
import { hide, read, showFor } from "./options.js";
import { Picker, about } from "./picker.js";
import { predict, verify } from "./requests.js";
import { samplesOf } from "./sound.js";
import { Source } from "./source.js";
import { lanesOf } from "./spans.js";
import { Timeline } from "./timeline.js";

const recordings = { first: null, second: null };  // the files
const timelines = { first: null, second: null };
let busy = false;

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
  at("run").setAttribute("aria-disabled", String(busy || missing.length > 0));
  return missing.length === 0;
}

/** Take away answers, which belong to other recordings or adapters than those that come now. */
function clear() {
  at("problem").hidden = true;
  at("of").textContent = "";
  at("latency").replaceChildren();
  at("cards").classList.remove("many");
  at("cards").replaceChildren(make("p", { class: "empty" }, "Choose a recording and one or more adapters, then press Run."));
  timelines.first?.mark([]);
}

async function choose(which, file) {
  clear();
  recordings[which] = file;
  tellWhy();
  const samples = await samplesOf(file);
  if (recordings[which] !== file) return;
  timelines[which]?.close();
  const place = make("div", {});
  timelines[which] = new Timeline(place, file, samples?.length ? samples : null, { name: which === "first" ? "recording" : "second recording" });
  at(`${which}-sound`).replaceChildren(make("p", { class: "file" }, file.name), place);
  say(`${file.name} is ready.`);
}

async function run() {
  if (busy || !tellWhy()) return;
  busy = true;
  tellWhy();
  clear();
  at("run").textContent = "Working";
  at("cards").replaceChildren(make("p", { class: "empty" }, "Working."));
  at("answers").setAttribute("aria-busy", "true");
  say("Working.");
  try {
    show(...(await answersOf(picker.chosen)));
  } catch (error) {
    say("");
    clear();
    fail(error);
  } finally {
    busy = false;
    at("run").textContent = "Run";
    at("answers").setAttribute("aria-busy", "false");
    tellWhy();
  }
}

/** Return the answers of the adapters, in their order, the stages of the request, and its time. */
async function answersOf(chosen) {
  const start = performance.now();
  const pairs = chosen.filter((one) => one.task === "verification");
  const others = chosen.filter((one) => one.task !== "verification");
  const asked = [...pairs.map((one) => verify(recordings.first, recordings.second, one.name))];
  if (others.length) asked.unshift(predict(recordings.first, others.map((one) => one.name), read()));
  const found = await Promise.all(asked);
  const ms = others.length ? found[0].ms : {};
  return [found.flatMap((one) => one.answers ?? [one]), ms ?? {}, performance.now() - start];
}

function show(answers, ms, all) {
  const tasks = new Map(picker.all.map((one) => [one.name, about(one)]));
  const first = timelines.first;
  const votesFirst = [...answers].sort((one, other) => (other.adapter === "ensemble") - (one.adapter === "ensemble"));
  const [ordered, probs] = [orders(votesFirst), new Map(answers.filter((one) => one.probs).map((one) => [one.adapter, one.probs]))];
  const cardOf = (one, n) => card(one, { about: tasks.get(one.adapter) ?? "the chosen adapters together", order: ordered[n], probs: one.adapter === "ensemble" ? probs : new Map(), play: (from) => first?.playFrom(from) });
  at("cards").replaceChildren(...votesFirst.map(cardOf));
  at("cards").classList.toggle("many", answers.length > 1);
  if (first?.duration) first.mark(answers.flatMap(lanesOf).map((lane, n) => ({ ...lane, hue: n % 6 })));
  at("latency").replaceChildren(latency(ms, all));
  at("of").textContent = recordings.first.name;
  if (at("answers").getBoundingClientRect().top > innerHeight - 80) at("answers").scrollIntoView({ behavior: isCalm() ? "auto" : "smooth" });
  say(votesFirst.map(said).join(". "));
}

async function load() {
  try {
    const { adapters } = await askJson("v1/adapters");
    picker.show(adapters);
    const backbones = [...new Set(adapters.map((one) => one.backbone).filter(Boolean))];
    at("about").textContent = adapters.length ? `${count(adapters.length, "adapter")} on ${listed(backbones)}` : "";
  } catch (error) {
    fail(error);
  }
}

async function examples() {
  try {
    const { examples: found } = await askJson("examples");
    return found.map((one) => one.name ?? one);
  } catch {
    return [];  // a server without the demo corpus has no examples, and works without
  }
}

at("run").addEventListener("click", run);
at("reload").addEventListener("click", load);
// a file that is dropped beside the panel must not replace the page
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
hide();
tellWhy();
const sources = [["first", "first recording"], ["second", "second recording"]].map(([id, noun]) => new Source(at(id), { id, noun, chosen: (file) => choose(id, file), failed: fail, say }));
await load();
const names = await examples();
for (const one of sources) one.offer(names);
document.documentElement.dataset.ready = "";
