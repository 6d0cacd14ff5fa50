// Ten thousand issues: the list holds few rows in the page however long it is, and its end can be reached.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, open, settled } from "../lib/browser.mjs";
import { alert, Selfheal, until } from "../lib/selfheal.mjs";

const ISSUES = 10_000;
const BATCH = 1_000;
/** The rows of two windows, and what is kept around them. */
const ROWS_MAX = 80;
const ELEMENTS_MAX = 2_000;

let selfheal;
let browser;
before(async () => {
  [selfheal, browser] = await Promise.all([Selfheal.start(), launch()]);
  for (let sent = 0; sent < ISSUES; sent += BATCH) {
    const alerts = Array.from({ length: BATCH }, (_, index) =>
      alert("Many", {
        severity: "warning",
        number: `n${sent + index}`,
        instance: `node-${(sent + index) % 97}`,
      }),
    );
    await selfheal.send(alerts);
  }
  await until(
    "all are known",
    async () => (await selfheal.api("/statistics")).total_issues_detected === ISSUES,
  );
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
});

test("the list is scrolled to its end with few elements in the page", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/issues" });
  await settled(page);
  const size = () =>
    page.evaluate(() => ({
      rows: document.querySelectorAll(".list-rows .list-row").length,
      elements: document.querySelectorAll("*").length,
    }));
  let most = { rows: 0, elements: 0 };
  await until("the end is reached", async () => {
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    const { rows, elements } = await size();
    most = { rows: Math.max(most.rows, rows), elements: Math.max(most.elements, elements) };
    return /^10,000 issues$/.test(await page.locator(".list-status").textContent());
  });
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await page.getByText("issue-1", { exact: false }).last().waitFor();
  assert.ok(most.rows > 0 && most.rows <= ROWS_MAX, `${most.rows} rows in the page`);
  assert.ok(most.elements <= ELEMENTS_MAX, `${most.elements} elements in the page`);
  assert.equal(
    await page.getByRole("table", { name: "Issues" }).getAttribute("aria-rowcount"),
    String(ISSUES + 1),
  );
  assert.deepEqual(faults, []);
  await close();
});
