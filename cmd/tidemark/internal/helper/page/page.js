// The page: one screen at a time, files to codes, codes to a form. It reads only
// files that the person picks, keeps nothing, and sends nothing but that form,
// which is plain HTML.
"use strict";

const byId = (id) => document.getElementById(id);
const messages = JSON.parse(byId("text").textContent);
const say = (key, values = {}) => messages[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const single = byId("form").method !== "post"; // the whole page is one file, which sends nothing
const mostFiles = 50;

// Screens. The hash in the address stays empty, so no screen is in the history.

function show(id) {
  for (const s of document.querySelectorAll("main > section")) s.hidden = s.id !== id;
  document.querySelector("footer").hidden = id === "threat"; // which has the same help in its midst
  const heading = document.querySelector("#" + id + " h1");
  heading.focus();
  scrollTo(0, 0);
  if (id === "pick") loadHelper();
}

for (const button of document.querySelectorAll("[data-to]")) {
  button.addEventListener("click", () => {
    if (button.dataset.age) chooseAge(button.dataset.age);
    show(button.dataset.to);
  });
}

byId("exit").addEventListener("click", (e) => {
  e.preventDefault();
  location.replace(e.currentTarget.href);
});

// A browser may keep a page that was left, and bring it back whole when someone
// goes back. This one is then empty, and begins anew.
addEventListener("pagehide", () => document.body.replaceChildren());
addEventListener("pageshow", (e) => {
  if (e.persisted) location.reload();
});

function chooseAge(age) {
  if (!single) byId("age-sent").value = age;
  for (const p of document.querySelectorAll("[data-for]")) p.hidden = p.dataset.for !== age;
}

// The module is loaded when it is about to be needed; from then on the network may
// go, but for pictures whose decoder is a module of its own.

const loading = {}; // by their names
const moduleNamed = (name) => document.querySelector('.module[data-name="' + name + '"]');

function load(name) {
  loading[name] ??= (single ? inPage : fromServer)(moduleNamed(name), name).catch((e) => {
    delete loading[name]; // another time it may come
    throw e;
  });
  return loading[name];
}

function loadHelper() {
  const helper = load("helper");
  helper.then(
    () => {
      byId("state").textContent = say("pick_ready");
    },
    () => {
      byId("state").textContent = say("pick_broken");
    },
  );
  return helper;
}

async function fromServer(place, name) {
  const answer = await fetch(name + ".wasm", { integrity: place.dataset.integrity, credentials: "omit", referrerPolicy: "no-referrer" });
  if (!answer.ok) throw new Error("no module");
  return WebAssembly.compile(await answer.arrayBuffer());
}

async function inPage(place) {
  const packed = Uint8Array.from(atob(place.textContent.trim()), (c) => c.charCodeAt(0));
  const plain = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
  return WebAssembly.compile(await plain.arrayBuffer());
}

// The worker's text is in the page, so that a worker needs no network.
const workerURL = URL.createObjectURL(new Blob([byId("worker").textContent], { type: "text/javascript" }));

// Picking. In some apps the chooser never opens, and nothing says so: then the
// page keeps the focus.

let opening = 0;

function opened() {
  clearTimeout(opening);
  byId("blocked").hidden = true;
}

byId("address").textContent = location.href;
byId("files").addEventListener("click", () => {
  opened();
  opening = setTimeout(() => {
    byId("blocked").hidden = false;
  }, 2500);
});
byId("files").addEventListener("cancel", opened);
addEventListener("blur", opened);
document.addEventListener("visibilitychange", opened);

byId("files").addEventListener("change", () => {
  opened();
  const room = mostFiles - files.length;
  const picked = [...byId("files").files];
  byId("files").value = ""; // so that the same file can be picked again
  if (picked.length === 0) return;
  byId("many").hidden = picked.length <= room;
  for (const file of picked.slice(0, room)) add(file);
  if (!single) byId("token").value ||= newToken();
  show("codes");
  next();
});

function newToken() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

// Files, one after the other: a phone has the memory for one.

const files = []; // each with its row, and worker while it is read
let counted = 0;

function add(file) {
  const row = byId("file").content.firstElementChild.cloneNode(true);
  const part = (name) => row.querySelector(name);
  const name = say("file_name", { n: ++counted });
  part(".name").textContent = name;
  part(".size").textContent = size(file.size);
  part(".state").textContent = say("file_waits");
  part("textarea").setAttribute("aria-label", name);
  part("textarea").disabled = true; // and so not sent, until there is a code
  part("progress").setAttribute("aria-label", name);
  part("progress").value = 0;
  const one = { file, row, part, done: false, worker: null };
  part(".remove").textContent = say("file_cancel");
  part(".remove").setAttribute("aria-label", say("file_cancel") + ": " + name);
  part(".remove").addEventListener("click", () => remove(one));
  files.push(one);
  byId("list").append(row);
  ready();
}

function size(bytes) {
  const unit = bytes < 1e6 ? "kilobyte" : "megabyte";
  const value = bytes / (bytes < 1e6 ? 1e3 : 1e6);
  return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(value);
}

function remove(one) {
  one.worker?.terminate(); // which also gives back its memory
  const at = files.indexOf(one);
  files.splice(at, 1);
  one.row.remove();
  byId("many").hidden = true;
  (files[at] ?? files[at - 1])?.part(".remove").focus();
  if (files.length === 0) show("pick");
  ready();
  next();
}

// Starts the next file that waits, unless one is being read.
function next() {
  if (files.some((f) => f.worker)) return;
  const one = files.find((f) => !f.done);
  if (!one) return;
  const worker = (one.worker = new Worker(workerURL));
  const end = (f) => {
    worker.terminate();
    if (one.worker !== worker) return;
    one.worker = null;
    one.done = true;
    f();
    one.part("progress").hidden = true;
    one.part(".remove").textContent = say("file_remove");
    one.part(".remove").setAttribute("aria-label", say("file_remove") + ": " + one.part(".name").textContent);
    ready();
    next();
  };
  const failed = (key) => end(() => {
    one.part(".state").textContent = say(key);
  });
  worker.onmessage = ({ data }) => {
    if (data.report) end(() => showReport(one, data.report));
    else if (data.decoder) sendDecoder(worker, data.decoder);
    else if (data.failed) failed("file_" + data.failed);
    else tellDone(one, data.done);
  };
  worker.onerror = () => failed("file_memory");
  worker.onmessageerror = () => failed("file_memory");
  loadHelper().then((module) => worker.postMessage({ module, file: one.file }), () => failed("pick_broken"));
}

// Tells how much of a file is read, in words at each tenth.
function tellDone(one, done) {
  const percent = Math.floor((100 * done) / one.file.size);
  const tenth = Math.floor(percent / 10);
  one.part("progress").value = percent;
  if (percent === 100) one.part("progress").removeAttribute("value"); // the picture is being looked at
  if (tenth === one.tenth) return;
  one.tenth = tenth;
  one.part(".state").textContent = percent === 100 ? say("file_almost") : say("file_working", { percent });
}

// Gives a worker the decoder that its file needs, or null.
function sendDecoder(worker, name) {
  const loaded = moduleNamed(name) ? load(name) : Promise.reject(new Error("no decoder"));
  loaded.then((decoder) => worker.postMessage({ decoder }), () => worker.postMessage({ decoder: null }));
}

// What is said of a file that is no picture to us, by its format and the error.
function why(format, code) {
  if (code === "unsupported" && (format === "avif" || format === "heic")) return moduleNamed(format) ? "file_part" : "file_heif";
  return { too_large: "file_large", undecodable: "file_damaged" }[code] ?? "file_exact";
}

function showReport(one, report) {
  const code = report.hashes?.map((h) => [h.kind, h.value, ...("quality" in h ? [h.quality] : [])].join(":")).join(" ");
  if (!code) {
    one.part(".state").textContent = say("file_unreadable");
    return;
  }
  const box = one.part("textarea");
  box.value = code;
  box.disabled = false;
  box.hidden = false;
  if (single) tidemarkSquare.draw(one.part(".square"), code);
  const notes = [say("file_done")];
  if (report.error) notes.push(say(why(report.format, report.error.code)));
  if (report.truncated && !report.error) notes.push(say("file_partly"));
  if (report.hashes.some((h) => h.weak)) notes.push(say("file_weak"));
  one.part(".state").textContent = notes.join(" ");
  one.memory = report.memory;
}

// Without a network the browser would leave the page for one of its own, and the
// codes would be gone.
if (!single) {
  byId("form").addEventListener("submit", (e) => {
    byId("off").hidden = navigator.onLine;
    if (!navigator.onLine) e.preventDefault();
  });
}

// The form can go when no file is under way and there is a code.
function ready() {
  if (single) return;
  byId("send").disabled = files.some((f) => !f.done) || !files.some((f) => f.part("textarea").value);
}
