// Hashes one file away from the page, so that the page stays quick, and so that
// to cancel is to end the worker, which also gives back its memory. It stands
// behind engine.js in one text.
"use strict";

// isHEIF reports whether a file that begins with some bytes is a HEIC or an AVIF.
// Both begin as videos do, but name brands of their own.
function isHEIF(head) {
  const text = String.fromCharCode(...head);
  const end = Math.min(new DataView(head.buffer, head.byteOffset, head.length).getUint32(0), 64);
  if (text.slice(4, 8) !== "ftyp") return false;
  for (let at = 8; at + 4 <= end; at += at === 8 ? 8 : 4) {
    if (["avif", "avis", "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].includes(text.slice(at, at + 4))) return true;
  }
  return false;
}

onmessage = async ({ data }) => {
  const { module, file } = data;
  try {
    const read = async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer());
    const report = await tidemarkHash(module, file.size, read, (done) => postMessage({ done }));
    const heif = file.size >= 16 && isHEIF(await read(0, 64));
    postMessage({ report, heif });
  } catch (e) {
    // A rejected promise in a worker reaches nobody, so the page is told.
    postMessage({ failed: e instanceof DOMException ? "unreadable" : "memory" });
  }
};
