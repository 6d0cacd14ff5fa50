// Without a mouse: approve a plan, refuse another, stop it all and turn it on again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, open, settled } from "../lib/browser.mjs";
import { makeHistory } from "../lib/history.mjs";
import { Selfheal, until } from "../lib/selfheal.mjs";

let selfheal;
let browser;
before(async () => {
  [selfheal, browser] = await Promise.all([Selfheal.start(), launch()]);
  await makeHistory(selfheal);
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
});

/** Presses Tab until the focus is on what has this name. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      const ring = getComputedStyle(element).outlineStyle !== "none" || element.closest(".list-row,.editor");
      return { name: element.getAttribute("aria-label") ?? element.textContent, ring: Boolean(ring) };
    });
    if (name.test(focused.name)) {
      assert.ok(focused.ring, `the focus on ${focused.name} can be seen`);
      return;
    }
  }
  assert.fail(`no way leads to ${name} by Tab`);
}

test("a plan is approved, another refused, and everything stopped, by keyboard alone", async () => {
  const { page, faults, close } = await open(browser, selfheal.url);
  await settled(page);

  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });

  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.getByRole("heading", { level: 1, name: "Approvals" }).waitFor();
  await settled(page);
  assert.equal(
    await page.evaluate(() => document.activeElement.tagName),
    "H1",
    "the focus is on the new view's heading",
  );
  await tabTo(page, /^Approve the plan for HighErrorRate · shop\/app\/checkout/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("seen with the team");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Approved. The plan runs now").waitFor();
  const approved = await until("the approved plan has run", async () => {
    const { issue, remediations } = await selfheal.api("/issues/issue-3");
    return issue.outcome === "applied" && remediations[0];
  });
  assert.equal(approved.approved_by, "local");
  const [answered] = (await selfheal.api("/approvals?all=true")).filter(
    ({ issue_id }) => issue_id === "issue-3",
  );
  assert.equal(answered.answer.reason, "seen with the team");

  await until("it is no longer listed", async () => (await page.getByRole("article").count()) === 1);
  await tabTo(page, /^Refuse the plan for HighErrorRate · shop\/app\/search/);
  await page.keyboard.press("Enter");
  await page.keyboard.type("we wait");
  await tabTo(page, /^Refuse$/);
  await page.keyboard.press("Enter");
  await until(
    "the other is denied",
    async () => (await selfheal.api("/issues/issue-4")).issue.outcome === "denied",
  );
  await page.getByText("Nothing waits for you").waitFor();

  await page.keyboard.press("s");
  await page.getByRole("dialog", { name: "Stop all automatic remediation?" }).waitFor();
  await page.keyboard.type("we are migrating");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Automatic remediation is off.").first().waitFor();
  const position = await selfheal.api("/switch");
  assert.equal(position.auto_remediation_enabled, false);
  assert.equal(position.why, "we are migrating");
  await page.getByText("local: we are migrating").waitFor();

  await page.keyboard.press("s");
  await page.getByRole("dialog", { name: "Turn automatic remediation on?" }).waitFor();
  await page.keyboard.press("Control+Enter");
  await until("the switch is on", async () => (await selfheal.api("/switch")).auto_remediation_enabled);
  assert.deepEqual(faults, []);
  await close();
});

test("rows of the list are walked through with the arrows, and Enter opens one", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/issues" });
  await settled(page);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.type), "search");
  await tabTo(page, /^SomethingElse$/);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("j");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), "#/issues/issue-8");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "CertificateEndsSoon" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});
