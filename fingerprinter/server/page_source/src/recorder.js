// The microphone as 16-bit mono WAV files of 16 kHz.

export const SAMPLE_RATE = 16000;

/** Whether the browser allows the microphone here: it does on https and on localhost only. */
export const allowed = () => Boolean(window.isSecureContext && navigator.mediaDevices?.getUserMedia);

/** One recording. `level` is called with 0..1 for each block, to show that sound comes in. */
export class Recorder {
  #blocks = [];
  #length = 0;
  #context;
  #stream;

  async start(level) {
    // Echo cancellation and its like are made for speech, and damage music.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.#context = new AudioContext({ sampleRate: SAMPLE_RATE });
    await this.#context.audioWorklet.addModule(new URL("worklet.js", document.baseURI));
    const tap = new AudioWorkletNode(this.#context, "tap", { numberOfOutputs: 0 });
    tap.port.onmessage = ({ data }) => {
      this.#blocks.push(data);
      this.#length += data.length;
      let peak = 0;
      for (const sample of data) peak = Math.max(peak, Math.abs(sample));
      level(peak);
    };
    this.#context.createMediaStreamSource(this.#stream).connect(tap);
  }

  get seconds() {
    return this.#length / SAMPLE_RATE;
  }

  /** All that was recorded so far, as a WAV file. */
  wav() {
    const view = new DataView(new ArrayBuffer(44 + 2 * this.#length));
    const text = (at, word) => [...word].forEach((letter, k) => view.setUint8(at + k, letter.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + 2 * this.#length, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, SAMPLE_RATE, true);
    view.setUint32(28, 2 * SAMPLE_RATE, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, 2 * this.#length, true);
    let at = 44;
    for (const block of this.#blocks)
      for (const sample of block) {
        view.setInt16(at, Math.max(-1, Math.min(1, sample)) * 32767, true);
        at += 2;
      }
    return new Blob([view.buffer], { type: "audio/wav" });
  }

  async stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    if (this.#context?.state !== "closed") await this.#context?.close();
  }
}
