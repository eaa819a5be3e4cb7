// A recording to choose: from the microphone, from a file, or from the examples of the server.
import { askBlob } from "./http.js";
import { count, make, seconds } from "./dom.js";
import { LONGEST_S, record } from "./microphone.js";

export class Source {
  /**
   * Build the choice of a recording in `root`.
   * `chosen` is called with a File; `failed` with an Error; `say` with what a screen reader should hear.
   */
  constructor(root, { id, noun, chosen, failed, say }) {
    Object.assign(this, { id, noun, chosen, failed, say, stop: null });
    this.button = make("button", { type: "button", class: "record", click: () => this.toggle() });
    this.level = make("span", { class: "level", "aria-hidden": "true" }, make("span"));
    this.file = make("input", {
      type: "file",
      class: "unseen",
      id: `${id}-file`,
      accept: "audio/*,.flac,.ogg,.opus,.mp3,.wav,.m4a,.webm",
      change: () => this.take(this.file.files),
    });
    this.examples = make("div", { class: "field", hidden: true });
    this.drop = make(
      "div",
      { class: "source" },
      make(
        "div",
        { class: "ways" },
        this.button,
        this.file,
        make("label", { class: "button", for: `${id}-file` }, "Upload"),
      ),
      this.level,
      this.examples,
      make("p", { class: "drop" }, "or drop a file here"),
    );
    this.allowDrop(this.drop);
    root.replaceChildren(this.drop);
    this.idle();
  }

  /** Offer the examples of the server, by name. */
  offer(examples) {
    if (!examples.length) return;
    const options = [...grouped(examples)].map(([name, of]) =>
      make(
        "optgroup",
        { label: name },
        of.map((one) => make("option", { value: one }, shown(one))),
      ),
    );
    const select = make(
      "select",
      { id: `${this.id}-example`, change: () => select.value && this.fetch(select.value) },
      make("option", { value: "" }, `Choose one of ${count(examples.length, "recording")}`),
      options,
    );
    this.select = select;
    this.examples.replaceChildren(make("label", { for: select.id }, "Or an example"), select);
    this.examples.hidden = false;
  }

  async fetch(name) {
    this.asked = name;
    try {
      const blob = await askBlob(`examples/${encodeURIComponent(name)}`);
      if (this.asked === name) this.chosen(new File([blob], name, { type: blob.type }));
    } catch (error) {
      this.failed(error);
    }
  }

  take(files) {
    if (!files?.length) return;
    this.forget();
    this.chosen(files[0]);
    this.file.value = "";
  }

  /** Clear the example that was chosen before another way was taken. */
  forget() {
    this.asked = null;
    if (this.select) this.select.value = "";
  }

  allowDrop(place) {
    const mark = (on) => (event) => {
      event.preventDefault();
      place.classList.toggle("dropping", on);
    };
    place.addEventListener("dragover", mark(true));
    place.addEventListener("dragleave", mark(false));
    place.addEventListener("drop", (event) => {
      mark(false)(event);
      this.take(event.dataTransfer.files);
    });
  }

  async toggle() {
    if (this.starting) return;
    if (this.stop) return this.finish();
    this.starting = true;
    this.button.textContent = "Waiting";
    try {
      this.stop = await record((level, at) => this.hear(level, at));
      this.button.classList.add("on");
      this.button.setAttribute("aria-label", "Stop the recording");
      this.say(`Recording. Press again to stop; at most ${LONGEST_S / 60} minutes.`);
    } catch (error) {
      this.idle();
      this.failed(error);
    } finally {
      this.starting = false;
    }
  }

  async finish() {
    const stop = this.stop;
    this.stop = null;
    const file = await stop();
    this.idle();
    this.forget();
    if (file.size > 44) this.chosen(file);
    else this.failed(new Error("The microphone gave no sound. Try again, and speak before you stop."));
  }

  hear(level, at) {
    if (!this.stop) return;
    this.button.textContent = `Stop ${at < 60 ? `${at.toFixed(1)} s` : seconds(at)}`;
    this.level.firstChild.style.width = `${100 * Math.min(1, Math.sqrt(level))}%`;
    if (at > LONGEST_S) this.finish();
  }

  idle() {
    this.button.textContent = "Record";
    this.button.setAttribute("aria-label", `Record the ${this.noun} with the microphone`);
    this.button.classList.remove("on");
    this.level.firstChild.style.width = "0";
  }
}

const groupOf = (name) => name.split("-")[0];
const shown = (name) => name.replace(/\.[^.]*$/, "").replaceAll("-", ", ");

function grouped(names) {
  const groups = new Map();
  for (const name of names) groups.set(groupOf(name), [...(groups.get(groupOf(name)) ?? []), name]);
  return groups;
}
