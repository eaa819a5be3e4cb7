// Power by time and frequency: a short-time Fourier transform, and a mel scale for its rows.

export const TOP_HZ = 8000;
const SIZE = 512; // of a frame, 32 ms at 16 kHz
const DEEPEST = 75; // decibels below the loudest point that are still drawn

/** Return where a frequency lies between 0 (bottom) and 1 (top). */
export const height = (hz) => Math.log(1 + hz / 700) / Math.log(1 + TOP_HZ / 700);

const frequency = (at) => 700 * (Math.exp(at * Math.log(1 + TOP_HZ / 700)) - 1);

/** Return levels from 0 to 1, row by row from the top, of `columns` times `rows` points. */
export function spectrogram(samples, rate, columns, rows) {
  const window = Float32Array.from(
    { length: SIZE },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE),
  );
  const bands = Array.from({ length: rows }, (_, row) =>
    [(rows - row - 1) / rows, (rows - row) / rows].map((at) => (frequency(at) * SIZE) / rate),
  );
  const levels = new Float32Array(columns * rows);
  const [real, imaginary] = [new Float32Array(SIZE), new Float32Array(SIZE)];
  for (let column = 0; column < columns; column += 1) {
    const start = Math.round(((column + 0.5) * samples.length) / columns - SIZE / 2);
    for (let n = 0; n < SIZE; n += 1) real[n] = (samples[start + n] ?? 0) * window[n];
    imaginary.fill(0);
    transform(real, imaginary);
    bands.forEach(([low, high], row) => {
      levels[row * columns + column] = 10 * Math.log10(power(real, imaginary, low, high) + 1e-10);
    });
  }
  const loudest = levels.reduce((most, one) => Math.max(most, one), -90);
  return levels.map((one) => Math.max(0, 1 + (one - loudest) / DEEPEST));
}

/** Return the highest power of the bins in a band; between two bins where it is narrower. */
function power(real, imaginary, low, high) {
  const of = (bin) => real[bin] ** 2 + imaginary[bin] ** 2;
  if (high - low < 1) {
    const middle = (low + high) / 2;
    const [bin, part] = [Math.floor(middle), middle % 1];
    return of(bin) * (1 - part) + of(Math.min(bin + 1, SIZE / 2)) * part;
  }
  let most = 0;
  for (let bin = Math.ceil(low); bin <= Math.min(high, SIZE / 2); bin += 1) most = Math.max(most, of(bin));
  return most;
}

/** Fourier transform in place, by halves; the number of points is a power of two. */
export function transform(real, imaginary) {
  const size = real.length;
  for (let n = 1, reversed = 0; n < size; n += 1) {
    let bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (n < reversed) {
      [real[n], real[reversed]] = [real[reversed], real[n]];
      [imaginary[n], imaginary[reversed]] = [imaginary[reversed], imaginary[n]];
    }
  }
  for (let half = 1; half < size; half *= 2)
    for (let turn = 0; turn < half; turn += 1) {
      const [cosine, sine] = [Math.cos((Math.PI * turn) / half), -Math.sin((Math.PI * turn) / half)];
      for (let low = turn; low < size; low += 2 * half)
        butterfly(real, imaginary, low, low + half, cosine, sine);
    }
}

function butterfly(real, imaginary, low, high, cosine, sine) {
  const [x, y] = [real[high] * cosine - imaginary[high] * sine, real[high] * sine + imaginary[high] * cosine];
  [real[high], imaginary[high]] = [real[low] - x, imaginary[low] - y];
  real[low] += x;
  imaginary[low] += y;
}
