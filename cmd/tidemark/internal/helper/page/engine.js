// Runs the hashing module on one file, and a decoder beside it if that needs one. The module asks its host only for a
// clock, random numbers and an output for a crash; what is here is all that it
// gets, so it can reach neither a network nor a file.
"use strict";

// tidemarkHash returns the module's report on a file, an object. The file is
// given by its size and a function that returns the bytes from one place to
// another; told is called with the bytes done so far. decoder is asked for the
// module that decodes an AVIF or a HEIC, by its name.
async function tidemarkHash(module, size, read, told, decoder) {
  let memory;
  const view = () => new DataView(memory.buffer);
  const bytes = (at, n) => new Uint8Array(memory.buffer, at, n);
  const ok = 0, badFile = 8;
  const none = (count, used) => {
    view().setUint32(count, 0, true);
    view().setUint32(used, 0, true);
    return ok;
  };
  const host = {
    args_sizes_get: none,
    environ_sizes_get: none,
    args_get: () => ok,
    environ_get: () => ok,
    clock_time_get(id, precision, at) {
      view().setBigUint64(at, BigInt(Math.round(performance.now() * 1e6)), true);
      return ok;
    },
    random_get(at, n) {
      crypto.getRandomValues(bytes(at, n));
      return ok;
    },
    sched_yield: () => ok,
    // The module has nothing to wait for, so a sleep is over at once.
    poll_oneoff(asked, events, count, happened) {
      view().setUint32(happened, 0, true);
      return ok;
    },
    proc_exit(code) {
      throw new Error("the module ended with code " + code);
    },
    // What Go says when it crashes. It is not kept: it may hold what was in
    // memory.
    fd_write(fd, parts, count, written) {
      let n = 0;
      for (let i = 0; i < count; i++) n += view().getUint32(parts + 8 * i + 4, true);
      view().setUint32(written, n, true);
      return ok;
    },
  };
  const imports = {};
  for (const { name } of WebAssembly.Module.imports(module)) imports[name] = host[name] || (() => badFile);
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: imports });
  const engine = instance.exports;
  memory = engine.memory;
  engine._initialize();
  engine.begin(size);
  const piece = 1 << 20;
  for (let done = 0; done < size; ) {
    const part = await read(done, Math.min(done + piece, size));
    const at = engine.place(part.length) >>> 0;
    if (part.length === 0 || at === 0) throw new Error("the file changed while it was read");
    bytes(at, part.length).set(part); // place may have moved the memory
    engine.take();
    done += part.length;
    if (told) told(done);
  }
  let more = 0;
  const name = ["", "avif", "heic"][engine.decoder()];
  if (name) {
    const found = await decoder(name);
    if (found) more = await tidemarkDecode(engine, found, name, size);
  }
  const n = engine.finish() >>> 0;
  const report = JSON.parse(new TextDecoder().decode(bytes(engine.report_at() >>> 0, n)));
  report.memory = memory.buffer.byteLength + more;
  return report;
}

// tidemarkDecode runs a decoder on the file that the engine has, and gives it the
// pixels. The decoder gets nothing from its host. It returns how much memory that took.
async function tidemarkDecode(engine, module, name, size) {
  const imports = {};
  for (const { name } of WebAssembly.Module.imports(module)) imports[name] = () => 8; // no such file
  const decoder = (await WebAssembly.instantiate(module, { wasi_snapshot_preview1: imports })).exports;
  const memory = () => new Uint8Array(decoder.memory.buffer);
  const place = (n) => {
    const at = decoder.malloc(n) >>> 0;
    if (at === 0) throw new RangeError("no memory for " + n + " bytes");
    return at;
  };
  decoder._initialize();
  const file = place(size);
  memory().set(new Uint8Array(engine.memory.buffer, engine.file_at() >>> 0, size), file);
  const words = place(24); // four that the decoder says, and two that it writes once it has pixels
  const said = () => new Uint32Array(decoder.memory.buffer, words, 6);
  // A decoder that a file has crashed has found a defect.
  const decode = (only, out) => {
    said().fill(0xffffffff, 4);
    const frames = name === "avif" ? [0] : []; // the first of all
    try {
      return decoder.decode(file, size, only, ...frames, words, words + 4, words + 8, words + 12, words + 16, out) !== 0;
    } catch (e) {
      if (e instanceof WebAssembly.RuntimeError) return false;
      throw e;
    }
  };
  const pixels = decode(1, 0) ? engine.header(...said().slice(0, 4)) >>> 0 : engine.header(0, 0, 0, 0);
  if (pixels !== 0) {
    const out = place(pixels);
    if (decode(0, out) && said().slice(4).some((word) => word !== 0xffffffff)) {
      for (let n; (n = engine.wanted()) > 0; engine.take()) {
        const to = engine.place(n) >>> 0;
        const from = out + (engine.wanted_from() >>> 0);
        new Uint8Array(engine.memory.buffer, to, n).set(memory().subarray(from, from + n));
      }
    }
  }
  return decoder.memory.buffer.byteLength;
}
