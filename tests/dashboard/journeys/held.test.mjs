// What holds everything back is said above every page: a storm of new issues, and the hourly limit.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { go, launch, open, PHONE, settled, violations } from "../lib/browser.mjs";
import { alert, Selfheal, until } from "../lib/selfheal.mjs";

let selfheal;
let browser;
before(async () => {
  const settings = { policy: { storm_per_minute: 3, in_all_per_hour: 2 } };
  [selfheal, browser] = await Promise.all([Selfheal.start({ settings }), launch()]);
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
});

test("a storm and the hourly limit are told on every page, and a rule is let go on", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/rules/disk_note" });
  await settled(page);
  assert.equal(await page.getByRole("button", { name: "Let it go on" }).count(), 0, "there is nothing to release");
  await selfheal.send(
    Array.from({ length: 5 }, (_, number) =>
      alert("DiskFillsUp", { severity: "warning", instance: `node-${number}`, namespace: "infra" }),
    ),
  );
  await until("the rule is held", async () => (await selfheal.api("/switch")).storms[0]?.held);
  await page.getByText("disk_note is held: a storm of new issues.").waitFor();
  for (const address of ["#/overview", "#/issues", "#/rules"]) {
    await go(page, address);
    assert.ok(await page.getByText("disk_note is held: a storm of new issues.").isVisible(), address);
  }
  const rule = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "disk_note" }) });
  await rule.getByText("Held: a storm", { exact: true }).waitFor();
  assert.equal(await page.getByText("Held: a storm", { exact: true }).count(), 1, "of all rules, one");
  assert.deepEqual(await violations(page), []);

  await page.getByRole("link", { name: "See the rule" }).click();
  await page.getByRole("button", { name: "Let it go on" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("all of them are real");
  await page.getByRole("dialog").getByRole("button", { name: "Let it go on for an hour" }).click();
  await page.getByText("disk_note goes on despite a storm.").waitFor();
  await page.getByText("Goes on in a storm").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Let it go on" }).count(), 0);

  await until("two have run, and no more may", async () => (await selfheal.api("/switch")).hourly_limit);
  await page.reload();
  await page.getByText("No remediation begins for now: the hourly limit is reached.").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();

  const phone = await open(browser, selfheal.url, { viewport: PHONE });
  await phone.page.getByText("No remediation begins for now: the hourly limit is reached.").waitFor();
  const beyond = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(beyond <= 0, `${beyond} px too wide`);
  await phone.close();
});
