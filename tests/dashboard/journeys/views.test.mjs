// Every view, as a person sees it: in light and dark, on a desk and a phone, over a history that real alerts made.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { go, launch, open, PHONE, settled, violations } from "../lib/browser.mjs";
import { makeHistory, MARKUP } from "../lib/history.mjs";
import { Selfheal, until } from "../lib/selfheal.mjs";

const VIEWS = {
  overview: "#/overview",
  issues: "#/issues",
  "an issue that waits for approval": "#/issues/issue-3",
  "an issue that was treated": "#/issues/issue-1",
  "an issue that failed": "#/issues/issue-8",
  "an issue without a rule": "#/issues/issue-10",
  remediations: "#/remediations?open=remediation-1-1",
  approvals: "#/approvals",
  statistics: "#/statistics",
  rules: "#/rules",
  "a rule": "#/rules/error_rate",
  playground: "#/playground?rule=error_rate",
  "a wrong address": "#/nowhere",
};

/** Everything with its headers, and what the API answers. */
const FIRST_PAGE_BYTES_MAX = 100_000;

/** As from another continent, over a bad line. */
const LATENCY_MS = 300;

/** So many requests a browser has under way to one server. */
const CONNECTIONS = 6;

/** Those whose parts are arranged anew on a phone. */
const DENSE = ["overview", "issues", "an issue that waits for approval"];

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

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing in ${colorScheme}`, async () => {
    const { page, faults, close } = await open(browser, selfheal.url, { colorScheme });
    for (const [name, address] of Object.entries(VIEWS)) {
      await go(page, address);
      assert.deepEqual(await violations(page), [], name);
    }
    await page.keyboard.press("s");
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await violations(page), [], "the switch's question");
    assert.deepEqual(faults, []);
    await close();
  });
}

test("nothing is wider than a phone of 360 px, and axe finds nothing there", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { viewport: PHONE });
  for (const [name, address] of Object.entries(VIEWS)) {
    await go(page, address);
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(beyond <= 0, `${name} is ${beyond} px too wide`);
    if (DENSE.includes(name)) assert.deepEqual(await violations(page), [], name);
    assert.ok(await page.getByRole("button", { name: "Stop it all" }).isVisible(), `${name} has the switch`);
  }
  assert.deepEqual(faults, []);
  await close();
});

test("the first page is light, is one file, and asks nobody else", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const finished = [];
  page.on("requestfinished", (request) =>
    finished.push(
      request
        .sizes()
        .then((sizes) => ({ request, bytes: sizes.responseBodySize + sizes.responseHeadersSize })),
    ),
  );
  const answer = await page.goto(`${selfheal.url}/`);
  await settled(page);
  await page
    .getByRole("region", { name: "Open issues" })
    .getByRole("link", { name: "HighLatency" })
    .waitFor();
  const asked = await Promise.all(finished);
  const bytes = asked.reduce((sum, { bytes }) => sum + bytes, 0);
  const paths = asked.map(({ request }) => new URL(request.url()).pathname);
  const each = asked.map(({ bytes }, index) => `${paths[index]} ${bytes}`).sort();
  assert.ok(bytes < FIRST_PAGE_BYTES_MAX, `${bytes} bytes: ${each.join(", ")}`);
  const files = paths.filter((path) => !path.startsWith("/api/") && path !== "/ready" && path !== "/icon.svg");
  assert.deepEqual(files, ["/"], "everything else is within the page");
  assert.match(answer.headers()["content-security-policy"], /default-src 'self'/);
  assert.ok(asked.every(({ request }) => request.url().startsWith(selfheal.url)));
  await context.close();
});

for (const at of ["#/overview", "#/issues", "#/issues/issue-1", "#/remediations?open=remediation-1-1"]) {
  test(`from far away ${at} is there after one round trip beyond the page`, async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send("Network.enable");
    const far = { offline: false, latency: LATENCY_MS, downloadThroughput: -1, uploadThroughput: -1 };
    await network.send("Network.emulateNetworkConditions", far);
    const asked = [];
    const answered = [];
    const isData = (request) => /^\/(api\/|ready)/.test(new URL(request.url()).pathname);
    const isStream = (request) => request.url().endsWith("/stream");
    page.on("request", (request) => {
      // What has been seen of an answer when this was asked tells whether it waited for one.
      if (isData(request) && !isStream(request)) asked.push([new URL(request.url()).pathname, answered.length]);
    });
    page.on("response", (response) => isData(response.request()) && answered.push(response.url()));
    await page.goto(`${selfheal.url}/${at}`);
    await settled(page);
    assert.ok(asked.some(([path]) => path.endsWith("/session")), `${asked}`);
    const waited = asked.filter(([, before]) => before > 0).map(([path]) => path);
    assert.deepEqual(waited, at.includes("open=") ? ["/api/self-healing/remediations/remediation-1-1"] : []);
    assert.ok(asked.length <= CONNECTIONS, `more than a browser asks for at once: ${asked}`);
    await context.close();
  });
}

test("an issue's story says what happened and why nothing was done", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/issues/issue-6" });
  await page.getByText("Nothing was done: a guard said no.").waitFor();
  const guards = page.getByRole("region", { name: "Verdicts of all guards" });
  const first = guards.getByRole("row").nth(1);
  await first.getByText("policy").waitFor();
  await first.getByText("the plan has 19 steps, more than 16").waitFor();
  const { story } = await selfheal.api("/issues/issue-6");
  const verdicts = story.find((entry) => entry.facts?.verdicts).facts.verdicts;
  assert.ok(verdicts.length > 10);
  assert.equal(await guards.getByRole("row").count(), verdicts.length + 1, "all guards below the heading");
  const stations = page.getByRole("list", { name: "How far it came" });
  assert.deepEqual(await stations.locator("strong").allTextContents(), [
    "Received",
    "Matched",
    "Observed",
    "Planned",
    "Admitted",
    "Done",
    "Verified",
  ]);
  assert.equal(await stations.locator("li.stopped strong").textContent(), "Admitted");

  for (const [issue, text] of [
    ["issue-1", "It was done."],
    ["issue-5", "Nothing was done: this rule only shows what it would do."],
    ["issue-7", "Nothing was done: the rule looked and decided that there is nothing to do."],
    ["issue-9", "It waits"],
    ["issue-10", "Nothing was done: no rule is for this alert."],
  ]) {
    await go(page, `#/issues/${issue}`);
    await page.getByText(text).first().waitFor();
  }
  assert.deepEqual(faults, []);
  await close();
});

test("markup in labels is shown as text", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/issues/issue-10" });
  await page.getByText(MARKUP, { exact: true }).first().waitFor();
  assert.equal(await page.locator("main img, main b").count(), 0);
  assert.doesNotMatch(await page.title(), /broken/);
  assert.deepEqual(faults, []);
  await close();
});

test("filters and search find issues, and stand in the address", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/issues" });
  const rows = page.locator(".list-rows .list-row");
  await until("all are listed", async () => (await rows.count()) === 10);
  await page.getByLabel("Outcome").selectOption("applied");
  await until("two were applied", async () => (await rows.count()) === 2);
  await page.getByLabel("Outcome").selectOption("");
  await page.getByLabel("Severity").selectOption("medium");
  await until("four are medium, whatever their alerts call it", async () => (await rows.count()) === 4);
  await page.getByLabel("Severity").selectOption("high");
  await until("two are high", async () => (await rows.count()) === 2);
  await page.getByLabel("Search issues").fill("worker-5");
  await until("one is about worker-5", async () => (await rows.count()) === 1);
  assert.match(page.url(), /severity=high/);
  assert.match(page.url(), /text=worker-5/);
  await page.getByLabel("Search issues").fill("nothing like it");
  await page.getByText("No issue fits").waitFor();
  assert.deepEqual(
    faults.filter((fault) => !fault.includes("400")),
    [],
  );
  await close();
});

test("remediations are found by a part of what they are about, which stands in their rows", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/remediations" });
  const rows = page.locator(".timeline-entry");
  await page.getByText("DiskFillsUp · infra/instance/node-7:9100").waitFor();
  assert.equal(await rows.count(), 2);
  // Without Enter or Tab: it acts when somebody stops typing.
  await page.getByLabel("Resource", { exact: true }).pressSequentially("NODE-3");
  await until("one is about node-3", async () => (await rows.count()) === 1);
  await page.getByText("DiskFillsUp · infra/instance/node-3:9100").waitFor();
  await page.getByLabel("Resource", { exact: true }).fill("nothing like it");
  await page.getByText("No remediation fits").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("remediations unfold to their steps", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/remediations" });
  await page.getByText("disk node-7:9100 fills up").first().click();
  await page.getByText("log/disk node-7:9100 fills up").waitFor();
  await page.getByRole("heading", { name: "What was done" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("what comes is shown without being asked for", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { at: "#/issues?text=LateComer" });
  await page.getByText("No issue fits").waitFor();
  const { alert } = await import("../lib/selfheal.mjs");
  await selfheal.send([alert("LateComer", { severity: "info" })]);
  await page.getByRole("link", { name: "LateComer" }).waitFor();
  assert.deepEqual(
    faults.filter((fault) => !fault.includes("400")),
    [],
  );
  await close();
});

test("a preview is shown as a diff", async () => {
  const { page, faults, close } = await open(browser, selfheal.url);
  const [approval] = await selfheal.api("/approvals");
  const changes = [
    { what: "spec.replicas", from: 2, to: 4 },
    { what: "config", from: "a: 1\nb: 2\nc: 3", to: "a: 1\nb: 5\nc: 3" },
    { what: "session 7", from: "idle", to: null },
  ];
  approval.previews = [
    { path: "0", action: "x", preview: { summary: "three changes", changes } },
    { path: "1", action: "y", preview: { failed: "no answer" } },
  ];
  await page.route("**/api/self-healing/approvals", (route) => route.fulfill({ json: [approval] }));
  await go(page, "#/approvals");
  const lines = await page
    .locator(".diff-line")
    .evaluateAll((lines) =>
      lines.map((line) => line.querySelector("span").textContent + line.querySelector("code").textContent),
    );
  assert.deepEqual(lines, ["-2", "+4", " a: 1", "-b: 2", "+b: 5", " c: 3", "-idle"]);
  await page.getByText("no answer").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();
});
