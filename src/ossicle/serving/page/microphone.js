// The microphone, as samples: no codec in between, and no filter that a model has not heard.
import { Refusal } from "./http.js";
import { encodeWav, joined } from "./wav.js";

export const LONGEST_S = 300;

const REASONS = {
  NotAllowedError:
    "The browser does not allow this page to use the microphone. Allow it in the address bar, or upload a file.",
  NotFoundError: "No microphone was found. Connect one, or upload a file.",
  NotReadableError: "The microphone is in use by another program. Close it there, or upload a file.",
};

/**
 * Start recording; `heard` is called with the level, 0 to 1, and the seconds so far.
 * Returns a function that stops and gives the WAV file.
 */
export async function record(heard) {
  if (!navigator.mediaDevices?.getUserMedia)
    throw new Refusal(
      "Browsers allow the microphone on https and on localhost only. Open this page there, or upload a file.",
    );
  const stream = await navigator.mediaDevices
    .getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    })
    .catch((error) => {
      throw new Refusal(REASONS[error.name] ?? `The microphone cannot be used: ${error.message}.`);
    });
  const context = new AudioContext();
  const release = () => {
    stream.getTracks().forEach((one) => one.stop());
    return context.close();
  };
  try {
    return await listen(context, stream, heard, release);
  } catch (error) {
    await release();
    throw error;
  }
}

async function listen(context, stream, heard, release) {
  await context.audioWorklet.addModule(new URL("tap.js", import.meta.url));
  const [source, tap] = [
    context.createMediaStreamSource(stream),
    new AudioWorkletNode(context, "tap", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    }),
  ];
  const blocks = [];
  let size = 0;
  tap.port.onmessage = ({ data }) => {
    blocks.push(data);
    size += data.length;
    heard(
      data.reduce((most, one) => Math.max(most, Math.abs(one)), 0),
      size / context.sampleRate,
    );
  };
  source.connect(tap);
  return async () => {
    const rate = context.sampleRate;
    await release();
    tap.port.onmessage = null;
    return new File([encodeWav(joined(blocks), rate)], "recording.wav", { type: "audio/wav" });
  };
}
