// What is to be seen at a glance, by somebody who has never been here: what waits, what it is about, how it stands.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { go, launch, open, PHONE, settled, violations } from "../lib/browser.mjs";
import { makeHistory } from "../lib/history.mjs";
import { alert, Selfheal, TOKENS, until } from "../lib/selfheal.mjs";

const RUNBOOK = "https://runbooks.example/latency?team=shop";
const LONG_WORD = "x".repeat(20_000);

let selfheal;
let browser;
before(async () => {
  const settings = { policy: { settle: "0s" } };
  [selfheal, browser] = await Promise.all([Selfheal.start({ tokens: true, settings }), launch()]);
  await makeHistory(selfheal);
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
});

const admin = { token: TOKENS.admin };

/** Where something is on the screen, before anybody scrolls. */
async function box(locator) {
  await locator.waitFor();
  return locator.boundingBox();
}

test("on a phone the first screen says that plans wait, and they come right below the score", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { ...admin, viewport: PHONE });
  await settled(page);
  const waiting = page.getByRole("region", { name: "Switch" }).getByRole("link", { name: "2 wait for approval" });
  const { x, y, width, height } = await box(waiting);
  assert.ok(await waiting.evaluate((chip) => chip.scrollWidth <= chip.clientWidth), "none of it is cut off");
  const bar = await box(page.getByRole("region", { name: "Switch" }));
  assert.ok(bar.height < 70, `the bar is one line, and not ${bar.height} px high`);
  assert.ok(x >= 0 && x + width <= PHONE.width && y + height <= PHONE.height, "it is within the first screen");
  const waits = await box(page.getByRole("region", { name: "Waits for approval" }));
  assert.ok(waits.y < PHONE.height, `they begin at ${waits.y} px`);
  const open_ = await box(page.getByRole("region", { name: "Open issues" }));
  assert.ok(waits.y < open_.y, "before the open issues");
  await waiting.click();
  await page.getByRole("heading", { level: 1, name: "Approvals" }).waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();
});

test("what waits for an answer needs a person, too", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, admin);
  await settled(page);
  // One has failed, two wait for an approval.
  await page.getByText("3 issues need a person").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("the overview names the problem first, and what is to be done about it below", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, admin);
  await settled(page);
  const waits = page.getByRole("region", { name: "Waits for approval" });
  await waits.getByRole("link", { name: "HighErrorRate · shop/app/checkout" }).waitFor();
  await waits.getByText('log::write(text: "pausing the canary of checkout")', { exact: false }).waitFor();
  const done = page.getByRole("region", { name: "Lately done" });
  await done.getByRole("link", { name: "DiskFillsUp · infra/instance/node-7:9100" }).waitFor();
  await done.getByText('log::write(text: "disk node-7:9100 fills up")').waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("on a phone a guard's reason has the whole width", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, {
    ...admin,
    viewport: PHONE,
    at: "#/issues/issue-6",
  });
  await settled(page);
  const reason = page.locator(".verdicts td").filter({ hasText: "the plan has 19 steps" });
  assert.ok((await box(reason)).width > 250);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();
});

test("the station names the guard that decided, and not the first that did not pass", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, admin);
  await page.route("**/api/self-healing/issues/issue-6", async (route) => {
    const answer = await route.fetch();
    const detail = await answer.json();
    const { verdicts } = detail.story.find((entry) => entry.facts?.verdicts?.length).facts;
    Object.assign(verdicts.find(({ guard }) => guard === "rate"), {
      verdict: "hold",
      until: new Date().toISOString(),
      why: "100 remediations in the last hour",
    });
    await route.fulfill({ response: answer, json: detail });
  });
  await go(page, "#/issues/issue-6");
  const stopped = page.getByRole("list", { name: "How far it came" }).locator("li.stopped");
  await stopped.getByText("policy: refuse").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a closed issue says how long it fired, its runbook is a link, and no word is too long", async () => {
  const labels = { severity: "P1", app: "slow", namespace: "shop" };
  const annotations = { description: LONG_WORD, runbook_url: RUNBOOK, other_url: "javascript:alert(1)" };
  const slow = alert("VerySlow", labels, { minutes: 30, annotations });
  await selfheal.send([slow]);
  const find = async () => (await selfheal.api("/issues?text=VerySlow"))[0];
  const { id } = await until("it is known", find);
  for (const viewport of [undefined, PHONE]) {
    const { page, faults, close } = await open(browser, selfheal.url, { ...admin, ...(viewport && { viewport }) });
    for (const at of ["#/overview", "#/issues", `#/issues/${id}`]) {
      await go(page, at);
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(beyond <= 0, `${at} is ${beyond} px too wide`);
    }
    await page.getByText("firing since").first().waitFor();
    const links = await page
      .locator("main a[target=_blank]")
      .evaluateAll((links) => links.map((link) => [link.textContent, link.getAttribute("href")]));
    assert.deepEqual(
      links.filter(([, address]) => !address.includes("prometheus")),
      [
        ["Runbook", RUNBOOK],
        [RUNBOOK, RUNBOOK],
      ],
    );
    assert.deepEqual(faults, []);
    await close();
  }
  await selfheal.send([{ ...slow, status: "resolved", endsAt: new Date().toISOString() }]);
  await until("it is closed", async () => (await find()).phase === "closed");
  const { page, faults, close } = await open(browser, selfheal.url, { ...admin, at: `#/issues/${id}` });
  await page.getByText(/^fired for (29|30)m.*, resolved/).waitFor();
  assert.equal(await page.locator(".standing").getByText("firing since").count(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("what somebody may not press does not look as if they may", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { token: TOKENS.viewer, at: "#/approvals" });
  await settled(page);
  const look = (locator) =>
    locator.first().evaluate((button) => {
      const { backgroundColor, borderColor, color, cursor } = getComputedStyle(button);
      return [backgroundColor, borderColor, color, cursor].join();
    });
  const barred = await Promise.all(
    [/^Approve the plan/, /^Refuse the plan/, "Stop it all"].map((name) => look(page.getByRole("button", { name }))),
  );
  assert.equal(new Set(barred).size, 1, `${barred}`);
  assert.match(barred[0], /not-allowed$/);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();
});
