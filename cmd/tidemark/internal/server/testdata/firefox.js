// Picks files on pages in Firefox, and prints what the pages show and ask for:
// node firefox.js FIREFOX PAGE,PAGE... FILE... prints an object of JSON a page.
// NODE_PATH names the folder that holds puppeteer-core.
"use strict";

const puppeteer = require("puppeteer-core");

(async () => {
  const [, , executablePath, pages, ...files] = process.argv;
  const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
  try {
    for (const address of pages.split(",")) {
      const page = await browser.newPage();
      const requests = [];
      page.on("request", (r) => requests.push(r.method() + " " + r.url()));
      await page.goto(address);
      await page.click('#start [data-to="age"]');
      await page.click('#age [data-age="not-sure"]');
      await page.waitForFunction(() => document.getElementById("state").textContent === messages.pick_ready);
      await (await page.$("#files")).uploadFile(...files);
      await page.waitForFunction((n) => document.querySelectorAll("#list .file progress[hidden]").length === n, {}, files.length);
      const codes = await page.$$eval("#list textarea", (all) => all.map((t) => t.value));
      const sent = await page.evaluate(async () => {
        try {
          await fetch("/livez");
          return true;
        } catch {
          return false;
        }
      });
      console.log(JSON.stringify({ codes, sent, requests }));
      await page.close();
    }
  } finally {
    await browser.close();
  }
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
