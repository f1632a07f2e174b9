// Hashes one file away from the page, so that the page stays quick, and so that
// to cancel is to end the worker, which also gives back its memory. It stands
// behind engine.js in one text.
"use strict";

// The page loads a decoder when a file needs one: null if it could not, or has none.
let decoderCame = null;

function decoderFromPage(name) {
  return new Promise((resolve) => {
    decoderCame = resolve;
    postMessage({ decoder: name });
  });
}

onmessage = async ({ data }) => {
  if ("decoder" in data) {
    decoderCame(data.decoder);
    return;
  }
  const { module, file } = data;
  try {
    const read = async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer());
    postMessage({ report: await tidemarkHash(module, file.size, read, (done) => postMessage({ done }), decoderFromPage) });
  } catch (e) {
    // A rejected promise in a worker reaches nobody, so the page is told.
    postMessage({ failed: e instanceof DOMException ? "unreadable" : "memory" });
  }
};
