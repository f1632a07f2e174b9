// Draws a text as a QR code: bytes, error correction level L, versions 1 to 10,
// after ISO/IEC 18004. Longer texts have none.
"use strict";

const tidemarkSquare = (() => {
  // Per version: error correction bytes of a block, and blocks.
  const blocks = [, [7, 1], [10, 1], [15, 1], [20, 1], [26, 1], [18, 2], [20, 2], [24, 2], [30, 2], [18, 4]];
  const totals = [, 26, 44, 70, 100, 134, 172, 196, 242, 292, 346];
  const centres = [, [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

  // The field of 256 elements, by the polynomial 0x11d.
  const exp = new Uint8Array(512), log = new Uint8Array(256);
  for (let i = 0, x = 1; i < 255; i++) {
    exp[i] = exp[i + 255] = x;
    log[x] = i;
    x = x << 1 ^ (x > 127 ? 0x11d : 0);
  }
  const times = (a, b) => (a && b ? exp[log[a] + log[b]] : 0);

  // The remainder of data by the generator polynomial of a degree.
  function correction(data, degree) {
    let generator = [1];
    for (let i = 0; i < degree; i++) {
      const next = [...generator, 0];
      generator.forEach((g, j) => (next[j + 1] ^= times(g, exp[i])));
      generator = next;
    }
    const rest = [...data, ...new Array(degree).fill(0)];
    for (let i = 0; i < data.length; i++) {
      const lead = rest[i];
      generator.forEach((g, j) => (rest[i + j] ^= times(g, lead)));
    }
    return rest.slice(data.length);
  }

  function codewords(bytes) {
    for (let version = 1; version <= 10; version++) {
      const [degree, count] = blocks[version];
      const room = totals[version] - degree * count;
      const lengthBits = version < 10 ? 8 : 16;
      if (8 * bytes.length + 4 + lengthBits > 8 * room) continue;
      let bits = "0100" + bytes.length.toString(2).padStart(lengthBits, "0");
      for (const b of bytes) bits += b.toString(2).padStart(8, "0");
      bits += "0".repeat(Math.min(4, 8 * room - bits.length));
      bits += "0".repeat((8 - (bits.length % 8)) % 8);
      const data = bits.match(/.{8}/g).map((b) => parseInt(b, 2));
      for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);
      const short = Math.floor(room / count), long = room % count;
      const parts = [], checks = [];
      for (let i = 0, at = 0; i < count; i++) {
        const n = short + (i >= count - long ? 1 : 0);
        parts.push(data.slice(at, at + n));
        checks.push(correction(parts[i], degree));
        at += n;
      }
      const all = [];
      for (let i = 0; i <= short; i++) for (const p of parts) if (i < p.length) all.push(p[i]);
      for (let i = 0; i < degree; i++) for (const c of checks) all.push(c[i]);
      return { version, all };
    }
    return null;
  }

  const masks = [
    (x, y) => (x + y) % 2 === 0,
    (x, y) => y % 2 === 0,
    (x) => x % 3 === 0,
    (x, y) => (x + y) % 3 === 0,
    (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
    (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
    (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
    (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
  ];

  // A number with its remainder by a polynomial behind it.
  function withRemainder(value, polynomial, bits) {
    let rest = value << bits;
    for (let i = 31 - Math.clz32(rest); rest >> bits; i = 31 - Math.clz32(rest)) rest ^= polynomial << (i - bits);
    return value << bits | rest;
  }

  function matrix({ version, all }, mask) {
    const size = 17 + 4 * version;
    const dark = Array.from({ length: size }, () => new Array(size).fill(null));
    const put = (x, y, on) => {
      if (x >= 0 && y >= 0 && x < size && y < size) dark[y][x] = !!on;
    };
    for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]])
      for (let y = -4; y <= 4; y++)
        for (let x = -4; x <= 4; x++) {
          const ring = Math.max(Math.abs(x), Math.abs(y));
          put(cx + x, cy + y, ring !== 2 && ring !== 4);
        }
    const mids = centres[version], last = mids.length - 1;
    mids.forEach((cx, i) => mids.forEach((cy, j) => {
      if ((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0)) return;
      for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) put(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1);
    }));
    for (let i = 8; i < size - 8; i++) {
      put(i, 6, i % 2 === 0);
      put(6, i, i % 2 === 0);
    }
    const format = withRemainder(1 << 3 | mask, 0x537, 10) ^ 0x5412;
    for (let i = 0; i < 15; i++) {
      const on = format >> i & 1;
      put(8, i < 6 ? i : i < 8 ? i + 1 : size - 15 + i, on);
      put(i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i, 8, on);
    }
    put(8, size - 8, true);
    if (version > 6) {
      const number = withRemainder(version, 0x1f25, 12);
      for (let i = 0; i < 18; i++) {
        const a = size - 11 + (i % 3), b = Math.floor(i / 3);
        put(a, b, number >> i & 1);
        put(b, a, number >> i & 1);
      }
    }
    let i = 0;
    for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
      if (right === 6) right = 5;
      for (let k = 0; k < size; k++) {
        const y = up ? size - 1 - k : k;
        for (const x of [right, right - 1]) {
          if (dark[y][x] !== null) continue;
          const bit = i < 8 * all.length && all[i >> 3] >> (7 - (i & 7)) & 1;
          dark[y][x] = !!bit !== masks[mask](x, y);
          i++;
        }
      }
    }
    return dark;
  }

  // How badly a matrix reads: runs, blocks, false finders and imbalance.
  function penalty(dark) {
    const size = dark.length;
    let bad = 0, on = 0;
    const columns = dark.map((_, x) => dark.map((row) => row[x]));
    for (const line of [...dark, ...columns]) {
      const text = line.map((d) => (d ? "1" : "0")).join("");
      for (const run of text.match(/0+|1+/g)) if (run.length >= 5) bad += run.length - 2;
      for (const finder of ["10111010000", "00001011101"]) for (let at = text.indexOf(finder); at >= 0; at = text.indexOf(finder, at + 1)) bad += 40;
    }
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        if (dark[y][x]) on++;
        if (x && y && dark[y][x] === dark[y - 1][x] && dark[y][x] === dark[y][x - 1] && dark[y][x] === dark[y - 1][x - 1]) bad += 3;
      }
    return bad + 10 * Math.floor(Math.abs((100 * on) / (size * size) - 50) / 5);
  }

  // Returns the rows of the code, each an array of booleans, or null.
  function rows(text) {
    const words = codewords(new TextEncoder().encode(text));
    if (!words) return null;
    const all = masks.map((_, mask) => matrix(words, mask));
    const scores = all.map(penalty);
    return all[scores.indexOf(Math.min(...scores))];
  }

  // Puts the code of a text into an element.
  function draw(element, text) {
    const dark = rows(text);
    element.replaceChildren();
    if (!dark) return;
    const size = dark.length + 8;
    const make = (name, attributes) => {
      const e = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
      return e;
    };
    let path = "";
    dark.forEach((row, y) => row.forEach((on, x) => {
      if (on) path += `M${x + 4} ${y + 4}h1v1h-1z`;
    }));
    const svg = make("svg", { viewBox: `0 0 ${size} ${size}`, "shape-rendering": "crispEdges", "aria-hidden": "true" });
    svg.append(make("rect", { width: size, height: size, fill: "#fff" }), make("path", { d: path, fill: "#000" }));
    element.append(svg);
  }

  return { rows, draw };
})();
