// The playground: a sample, an edited rule, faults at their line and column, and a dry-run that changes nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, open, settled, violations } from "../lib/browser.mjs";
import { Selfheal } from "../lib/selfheal.mjs";

let selfheal;
let browser;
before(async () => {
  [selfheal, browser] = await Promise.all([Selfheal.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
});

test("an edited rule is tried: faults are marked, then the decision is shown, and nothing was done", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/playground" });
  await settled(page);
  const run = page.getByRole("button", { name: "Dry-run", exact: true });
  const alert = page.getByRole("textbox", { name: "Alert, as JSON" });
  const rule = page.getByRole("textbox", { name: "Rule", exact: true });
  const result = page.getByRole("region", { name: "What would be done" });

  await run.click();
  await result.getByText("nothing would be done: no rule is for this alert").waitFor();

  await page.getByLabel("Sample alerts").selectOption("A service answers with errors");
  await run.click();
  await result.getByText("Would ask a person", { exact: true }).waitFor();
  await result.getByText("pausing the canary of checkout").first().waitFor();
  assert.ok(
    (await result.getByRole("region", { name: "Verdicts of all guards" }).getByRole("row").count()) > 10,
  );
  assert.deepEqual(await violations(page), []);

  await page.getByLabel("Which rule").selectOption("error_rate");
  await page.waitForFunction(() =>
    document.querySelector("textarea[aria-label=Rule]").value.includes("sequence"),
  );
  const text = await rule.inputValue();
  await rule.fill(text.replace("sequence([", "sequense(["));
  await run.click();
  await page.getByRole("heading", { name: "The rule cannot be used" }).waitFor();
  assert.equal(await page.locator(".editor-gutter .faulty").textContent(), "10");
  await page.getByRole("button", { name: /Go to line 10/ }).click();
  const at = await rule.evaluate((area) => area.value.slice(0, area.selectionStart).split("\n").length);
  assert.equal(at, 10);
  assert.deepEqual(await violations(page), []);

  await rule.fill(text.replace('.needs_approval("a canary of production is paused")', ""));
  await rule.press("Control+Enter");
  await result.getByText("Would run", { exact: true }).waitFor();
  assert.equal(await page.locator(".editor-gutter .faulty").count(), 0);

  await alert.fill('{\n  "labels": oops\n}');
  await run.click();
  await page.getByText("The alert is not JSON.").waitFor();
  assert.equal(await page.locator(".editor-gutter .faulty").textContent(), "2");

  assert.deepEqual(await selfheal.api("/issues"), []);
  assert.deepEqual(await selfheal.api("/remediations"), []);
  assert.deepEqual(
    faults.filter((fault) => !fault.includes("400")),
    [],
  );
  await close();
});
