// Hashes files with the module and the page's own engine: node hash.js MODULE
// ENGINE FILE... prints the report of each, a line each.
"use strict";

const fs = require("fs");
const vm = require("vm");

globalThis.crypto ??= require("crypto").webcrypto;
const [, , wasm, engine, ...files] = process.argv;
vm.runInThisContext(fs.readFileSync(engine, "utf8"));

(async () => {
  const compiled = await WebAssembly.compile(fs.readFileSync(wasm));
  for (const name of files) {
    const content = new Uint8Array(fs.readFileSync(name));
    const report = await tidemarkHash(compiled, content.length, async (from, to) => content.subarray(from, to));
    console.log(JSON.stringify(report));
  }
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
