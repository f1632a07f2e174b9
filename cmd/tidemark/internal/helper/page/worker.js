// Hashes one file away from the page, so that the page stays quick, and so that
// to cancel is to end the worker, which also gives back its memory. It stands
// behind engine.js in one text.
"use strict";

onmessage = async ({ data }) => {
  const { module, file } = data;
  try {
    const read = async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer());
    const report = await tidemarkHash(module, file.size, read, (done) => postMessage({ done }));
    postMessage({ report });
  } catch (e) {
    // A rejected promise in a worker reaches nobody, so the page is told.
    postMessage({ failed: e instanceof DOMException ? "unreadable" : "memory" });
  }
};
