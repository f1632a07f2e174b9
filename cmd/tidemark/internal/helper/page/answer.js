// The page after the form: a code to scan, printing, and the way out. Nothing is
// stored.
"use strict";

const byId = (id) => document.getElementById(id);

byId("exit").addEventListener("click", (e) => {
  e.preventDefault();
  location.replace(e.currentTarget.href);
});
if (byId("square")) {
  tidemarkSquare.draw(byId("square"), byId("case").textContent + "\n" + byId("words").textContent);
  byId("print").addEventListener("click", () => print());
}
