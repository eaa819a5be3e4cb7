// A recording on its time axis: waveform, spectrogram, lanes of events, and the play position.
import { drawSpectrogram, drawWave, keepDrawn } from "./drawing.js";
import { isCalm, make, seconds } from "./dom.js";
import { RATE } from "./sound.js";
import { height } from "./spectrum.js";

const TICKS_HZ = [500, 1000, 2000, 4000];

/** Return the step between ticks of an axis: 1, 2 or 5 times a power of ten, about eight of them. */
function stepOf(duration) {
  const rough = duration / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
}

export class Timeline {
  /** Build the timeline of a recording in `root`. `samples` is null where it cannot be drawn. */
  constructor(root, file, samples, { name = "recording" } = {}) {
    this.sound = new Audio(URL.createObjectURL(file));
    this.duration = samples ? samples.length / RATE : 0;
    this.cursor = make("div", { class: "cursor", "aria-hidden": "true" });
    this.lanes = make("div", { class: "lanes", "aria-hidden": "true" });
    this.button = make("button", { type: "button", class: "play", click: () => this.toggle() }, "Play");
    this.clock = make("span", { class: "clock" });
    this.seek = make("input", {
      type: "range",
      class: "seek",
      min: 0,
      max: Math.max(this.duration, 0.01),
      step: 0.01,
      value: 0,
      "aria-label": `Play position of the ${name}`,
      input: () => this.go(Number(this.seek.value)),
    });
    root.replaceChildren(
      samples ? this.tracks(samples) : this.undrawn(),
      make("div", { class: "transport" }, this.button, this.clock),
    );
    this.listen(name);
    this.show();
  }

  undrawn() {
    return make(
      "p",
      { class: "quiet" },
      "This browser cannot read the format, so there is nothing to draw or play. The server may still be able to read it.",
    );
  }

  tracks(samples) {
    const [wave, levels] = [
      make("canvas", { class: "wave", role: "img", "aria-label": "Waveform" }),
      make("canvas", { class: "levels", role: "img", "aria-label": "Spectrogram, up to 8 kilohertz" }),
    ];
    keepDrawn(wave, () => drawWave(wave, samples));
    keepDrawn(levels, () => drawSpectrogram(levels, samples));
    const pitch = make(
      "div",
      { class: "pitch", "aria-hidden": "true" },
      TICKS_HZ.map((hz) =>
        placed(make("span", {}, hz < 1000 ? "0.5" : String(hz / 1000)), "bottom", height(hz)),
      ),
      make("span", { class: "unit" }, "kHz"),
    );
    const stage = make(
      "div",
      {
        class: "stage",
        pointerdown: (event) => this.drag(event),
        pointermove: (event) => event.buttons && this.drag(event),
      },
      wave,
      levels,
      this.lanes,
      this.axis(),
      this.cursor,
    );
    this.stage = stage;
    return make("div", { class: "timeline" }, pitch, stage, this.seek);
  }

  axis() {
    const step = stepOf(this.duration);
    const ticks = Array.from({ length: Math.floor(this.duration / step + 1e-6) + 1 }, (_, n) => n * step);
    const text = (at) =>
      (this.duration >= 60 ? seconds(at).replace(/\.00? s| s/, "") : String(Number(at.toFixed(3)))) +
      (at ? "" : " s");
    return make(
      "div",
      { class: "axis", "aria-hidden": "true" },
      ticks.map((at) =>
        placed(
          make("span", { class: at > 0.96 * this.duration ? "last" : null }, text(at)),
          "left",
          at / this.duration,
        ),
      ),
    );
  }

  listen(name) {
    const say = (text) => {
      this.button.textContent = text;
      this.button.setAttribute("aria-label", `${text} the ${name}`);
    };
    this.sound.addEventListener("play", () => {
      say("Pause");
      this.follow();
    });
    this.sound.addEventListener("pause", () => {
      say("Play");
      this.show();
    });
    this.sound.addEventListener("timeupdate", () => this.show());
    this.sound.addEventListener("error", () => {
      this.button.hidden = true;
    });
    say("Play");
  }

  follow() {
    this.show();
    if (!this.sound.paused && !isCalm()) requestAnimationFrame(() => this.follow());
  }

  show() {
    const at = this.sound.currentTime;
    this.seek.value = at;
    this.seek.setAttribute("aria-valuetext", `${at.toFixed(2)} of ${this.duration.toFixed(2)} seconds`);
    if (this.duration) placed(this.cursor, "left", Math.min(1, at / this.duration));
    this.clock.textContent = this.duration ? `${seconds(at)} of ${seconds(this.duration)}` : "";
  }

  toggle() {
    if (this.sound.paused)
      this.sound.play().catch(() => {
        this.button.hidden = true;
      });
    else this.sound.pause();
  }

  go(at) {
    this.sound.currentTime = Math.max(0, Math.min(at, this.duration));
    this.show();
  }

  playFrom(at) {
    this.go(at);
    if (this.sound.paused) this.toggle();
  }

  drag(event) {
    const box = this.stage.getBoundingClientRect();
    this.go(((event.clientX - box.left) / box.width) * this.duration);
  }

  /** Show spans of `start_s`, `end_s` and `text` in lanes; with `isNamed` the title says the text. */
  mark(lanes) {
    if (!this.duration) return;
    this.lanes.replaceChildren(
      ...lanes.map(({ title, hue, spans, isNamed }) =>
        make(
          "div",
          { class: "lane" },
          make("span", { class: "lane-title" }, title),
          make(
            "div",
            { class: `lane-spans hue-${hue}` },
            spans.map((one) => this.span(one, isNamed)),
          ),
        ),
      ),
    );
  }

  span({ start_s, end_s, text }, isNamed) {
    const block = make(
      "span",
      { class: "span", title: `${text}, ${seconds(start_s)} to ${seconds(end_s)}` },
      isNamed ? null : text,
    );
    placed(block, "left", start_s / this.duration);
    return placed(
      block,
      "width",
      Math.max(0.002, (Math.min(end_s, this.duration) - start_s) / this.duration),
    );
  }

  /** Stop the sound and free the recording. */
  close() {
    this.sound.pause();
    URL.revokeObjectURL(this.sound.src);
  }
}

function placed(element, side, share) {
  element.style[side] = `${100 * share}%`;
  return element;
}
