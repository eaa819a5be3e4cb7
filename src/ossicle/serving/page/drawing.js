// Canvases that follow their size, the screen's resolution and the colour scheme.
import { RATE } from "./sound.js";
import { spectrogram } from "./spectrum.js";

/** Draw samples on a canvas: the lowest and highest of each column. */
export function drawWave(canvas, samples) {
  const [context, width, size] = fitted(canvas);
  context.fillStyle = colour("--wave");
  const loudest = Math.max(
    0.05,
    samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0),
  );
  const place = (sample) => (size / 2) * (1 - (0.94 * sample) / loudest);
  for (let x = 0; x < width; x += 1) {
    const start = Math.floor((x * samples.length) / width);
    const stop = Math.max(start + 1, Math.floor(((x + 1) * samples.length) / width));
    let [low, high] = [0, 0];
    for (let n = start; n < stop; n += 1) {
      low = Math.min(low, samples[n]);
      high = Math.max(high, samples[n]);
    }
    context.fillRect(x, place(high), 1, Math.max(1, place(low) - place(high)));
  }
}

/** Draw the spectrogram of samples on a canvas. */
export function drawSpectrogram(canvas, samples) {
  const [context, width, size] = fitted(canvas);
  const levels = spectrogram(samples, RATE, width, size);
  const ramp = colours(colour("--levels").split(" ").filter(Boolean));
  const image = context.createImageData(width, size);
  levels.forEach((level, n) => image.data.set(ramp[Math.min(255, Math.round(255 * level))], 4 * n));
  context.putImageData(image, 0, 0);
}

/** Call `draw` now and whenever the canvas has another size or the scheme changes. */
export function keepDrawn(canvas, draw) {
  let last = 0;
  new ResizeObserver(() => {
    if (canvas.clientWidth !== last && canvas.clientWidth) draw();
    last = canvas.clientWidth;
  }).observe(canvas);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  // a listener that stayed would keep every recording in memory
  const redraw = () => (canvas.isConnected ? draw() : scheme.removeEventListener("change", redraw));
  scheme.addEventListener("change", redraw);
}

function fitted(canvas) {
  const scale = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  return [canvas.getContext("2d"), canvas.width, canvas.height];
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Return 256 colours between hexadecimal ones, as red, green, blue and opacity. */
function colours(stops) {
  const points = stops.map((one) => [1, 3, 5].map((at) => parseInt(one.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, n) => {
    const at = (n / 255) * (points.length - 1);
    const [low, part] = [
      Math.min(Math.floor(at), points.length - 2),
      at - Math.min(Math.floor(at), points.length - 2),
    ];
    return [...points[low].map((one, channel) => one + part * (points[low + 1][channel] - one)), 255];
  });
}
