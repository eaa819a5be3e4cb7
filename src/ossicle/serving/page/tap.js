// Runs beside the sound card: hands every block of the microphone to the page.
registerProcessor(
  "tap",
  class extends AudioWorkletProcessor {
    process([input]) {
      if (input.length) this.port.postMessage(input[0].slice());
      return true;
    }
  },
);
