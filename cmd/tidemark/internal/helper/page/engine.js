// Runs the hashing module on one file. The module asks its host only for a
// clock, random numbers and an output for a crash; what is here is all that it
// gets, so it can reach neither a network nor a file.
"use strict";

// tidemarkHash returns the module's report on a file, an object. The file is
// given by its size and a function that returns the bytes from one place to
// another; told is called with the bytes done so far.
async function tidemarkHash(module, size, read, told) {
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
  const n = engine.finish() >>> 0;
  const report = JSON.parse(new TextDecoder().decode(bytes(engine.report_at() >>> 0, n)));
  report.memory = memory.buffer.byteLength;
  return report;
}
