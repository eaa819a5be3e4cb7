// A recording as the page draws it: one channel at 16 kHz, which is what most backbones hear.

export const RATE = 16_000;

/** Return the samples of a file, or null where this browser cannot read its format. */
export async function samplesOf(file) {
  const context = new OfflineAudioContext(1, 1, RATE);
  try {
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    return mixed(sound);
  } catch {
    return null;
  }
}

function mixed(sound) {
  const mean = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    const samples = sound.getChannelData(channel);
    for (let n = 0; n < mean.length; n += 1) mean[n] += samples[n] / sound.numberOfChannels;
  }
  return mean;
}
