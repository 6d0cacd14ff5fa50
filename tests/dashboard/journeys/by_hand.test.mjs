// What people do by hand: take an issue in hand, ask for a decision now, take a remediation back, leave alerts alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Alertmanager } from "../lib/alertmanager.mjs";
import { go, launch, open, settled, violations } from "../lib/browser.mjs";
import { makeHistory } from "../lib/history.mjs";
import { Selfheal, until } from "../lib/selfheal.mjs";

let alertmanager;
let selfheal;
let browser;
let routes;
before(async () => {
  alertmanager = await Alertmanager.start();
  const settings = { alertmanager: { urls: [alertmanager.url] } };
  [selfheal, browser] = await Promise.all([Selfheal.start({ settings }), launch()]);
  await makeHistory(selfheal);
  routes = (await selfheal.api("/session")).routes.map(({ route }) => route);
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
  alertmanager?.stop();
});

/** A test of what needs a route; without it the dashboard must not offer it, and the rest is skipped. */
function journey(name, route, offer, run) {
  test(name, async (context) => {
    const { page, faults, close } = await open(browser, selfheal.url, offer);
    await settled(page);
    if (!routes.includes(route)) {
      assert.equal(await page.getByRole(offer.role, { name: offer.name }).count(), 0, "it is not offered");
      context.skip(`this selfheal has no ${route}`);
    } else {
      await run(page);
      // What was answered wrongly on purpose stands in the console as well.
      assert.deepEqual(
        faults.filter((fault) => !fault.includes("400")),
        [],
      );
    }
    await close();
  });
}

/** Answers a question with a reason. */
async function answer(page, reason, button) {
  await page.getByRole("dialog").getByRole("textbox").fill(reason);
  await page.getByRole("dialog").getByRole("button", { name: button, exact: true }).click();
}

journey(
  "an alert is silenced from its issue, shown as such everywhere, and heard again",
  "POST /issues/{id}/silence",
  { at: "#/issues/issue-9", role: "button", name: "Silence" },
  async (page) => {
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await page.getByRole("dialog").getByLabel("For how long?").selectOption("8h");
    assert.deepEqual(await violations(page), []);
    await answer(page, "a <b>load</b> test", "Silence");
    await page.getByText("local has silenced it for").waitFor();
    await page.getByText("a <b>load</b> test").first().waitFor();
    const [silence] = alertmanager.silences;
    assert.equal(silence.createdBy, "local");
    assert.match(silence.comment, /^issue-9 .*a <b>load<\/b> test$/);
    await go(page, "#/issues");
    await page.getByText("Silenced", { exact: true }).waitFor();
    await go(page, "#/maintenance");
    await page.getByText("Quiet now").waitFor();
    assert.deepEqual(await violations(page), []);
    await go(page, "#/issues/issue-9");
    await page.getByRole("button", { name: "End the silence" }).click();
    await page.getByRole("button", { name: "Silence", exact: true }).waitFor();
    assert.equal(silence.status.state, "expired");
  },
);

journey(
  "an issue is acknowledged, and its story says by whom",
  "POST /issues/{id}/acknowledge",
  { at: "#/issues/issue-8", role: "button", name: "Acknowledge" },
  async (page) => {
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await answer(page, "I renew it by hand", "Acknowledge");
    await page.getByText("local has taken it in hand").waitFor();
  },
);

journey(
  "an issue that waits is decided now",
  "POST /manual-remediate/{id}",
  { at: "#/issues/issue-9", role: "button", name: "Decide now" },
  async (page) => {
    await page.getByRole("button", { name: "Decide now" }).click();
    await answer(page, "an hour is too long", "Decide now");
    await until(
      "it was treated",
      async () => (await selfheal.api("/issues/issue-9")).issue.outcome === "applied",
    );
    await page.getByText("It was done.").waitFor();
  },
);

journey(
  "a remediation is taken back, as far as it can be",
  "POST /remediations/{id}/rollback",
  { at: "#/remediations?open=remediation-1-1", role: "button", name: "Take it back" },
  async (page) => {
    await page.getByRole("button", { name: "Take it back" }).click();
    await answer(page, "it was the wrong disk", "Take it back");
    // A line of the log cannot be taken back, and that is what is said.
    await page.getByText(/Stays as it is: log.write/).waitFor();
  },
);

journey(
  "alerts are left alone for a while, and no longer",
  "GET /maintenance",
  { at: "#/overview", role: "link", name: "Maintenance" },
  async (page) => {
    await go(page, "#/maintenance");
    await page.getByText("No maintenance window").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Leave alerts alone" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/Which alerts/).fill("namespace=");
    await dialog.getByLabel(/Why/).fill("the shop is being moved");
    await dialog.getByRole("button", { name: "Leave them alone" }).click();
    await dialog.getByRole("alert").getByText("matchers").waitFor();
    await dialog.getByLabel(/Which alerts/).fill('namespace="shop"');
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole("button", { name: "Leave them alone" }).click();
    await page.getByRole("heading", { name: "the shop is being moved" }).waitFor();
    assert.deepEqual((await selfheal.api("/maintenance"))[0].matchers, ['namespace="shop"']);
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "End it" }).click();
    await page.getByText("No maintenance window").waitFor();
    assert.deepEqual(await selfheal.api("/maintenance"), []);
  },
);

journey(
  "the health score is shown with its five parts and its trend",
  "GET /health-score",
  { at: "#/overview", role: "img", name: /^Health score/ },
  async (page) => {
    const { overall_score, compute_score } = await selfheal.api("/health-score");
    await page.getByRole("img", { name: `Health score ${overall_score} of 100` }).waitFor();
    await page
      .getByRole("listitem")
      .filter({ hasText: "compute" })
      .getByText(String(compute_score))
      .waitFor();
    await page.getByRole("img", { name: /^Overall score over 24 hours/ }).waitFor();
    await page.getByText("Points lost:").waitFor();
  },
);
