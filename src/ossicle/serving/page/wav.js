// A recording of the microphone as a WAV file: PCM, 16 bits, one channel.

/** Return a WAV file of samples from -1 to 1. */
export function encodeWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((one, n) => view.setUint8(at + n, one.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // size of this part
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes per second
  view.setUint16(32, 2, true); // bytes per sample of all channels
  view.setUint16(34, 16, true); // bits per sample
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((one, n) => {
    view.setInt16(44 + 2 * n, Math.max(-32768, Math.min(32767, Math.round(32768 * one))), true);
  });
  return new Blob([view.buffer], { type: "audio/wav" });
}

/** Return blocks of samples as one. */
export function joined(blocks) {
  const all = new Float32Array(blocks.reduce((sum, one) => sum + one.length, 0));
  let start = 0;
  for (const one of blocks) {
    all.set(one, start);
    start += one.length;
  }
  return all;
}
