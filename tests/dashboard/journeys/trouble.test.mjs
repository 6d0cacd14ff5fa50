// What is shown when something is wrong: selfheal gone, a rule refused, a token wrong, a role too low.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { go, launch, open, settled, violations } from "../lib/browser.mjs";
import { makeHistory } from "../lib/history.mjs";
import { Selfheal, TOKENS, until } from "../lib/selfheal.mjs";

let selfheal;
let browser;
before(async () => {
  [selfheal, browser] = await Promise.all([Selfheal.start({ tokens: true }), launch()]);
  await makeHistory(selfheal);
});
after(async () => {
  await browser?.close();
  await selfheal?.stop();
});

test("a wrong token is told, a right one signs in, and signing out forgets it", async () => {
  const { page, close } = await open(browser, selfheal.url);
  await page.getByRole("heading", { name: "Sign in to selfheal" }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByLabel("API token").fill("wrong-token-of-somebody");
  await page.keyboard.press("Enter");
  await page.getByText("the token is not known").waitFor();
  await page.getByLabel("API token").fill(TOKENS.approver);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.getByRole("button", { name: /^Sign out/ }).click();
  await page.getByRole("heading", { name: "Sign in to selfheal" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  await close();
});

test("a viewer sees everything, and is told what they may not do", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, {
    token: TOKENS.viewer,
    at: "#/approvals",
  });
  await settled(page);
  const approve = page.getByRole("button", { name: /^Approve the plan/ }).first();
  assert.equal(await approve.getAttribute("aria-disabled"), "true");
  await page.getByText("This needs the role approver; viewer-of-the-tests is viewer.").first().waitFor();
  await approve.click({ force: true });
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.keyboard.press("s");
  await page.getByText("This needs the role operator").first().waitFor();
  assert.equal(await page.getByRole("dialog").count(), 0);
  await go(page, "#/playground");
  assert.ok(await page.getByRole("button", { name: "Dry-run", exact: true }).isDisabled());
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();
});

test("a refused rule is told on every page, with its line, column and caret", async () => {
  const { page, faults, close } = await open(browser, selfheal.url, { token: TOKENS.admin });
  await settled(page);
  await selfheal.writeRule(
    "broken",
    '//! Broken.\n\nconst RULE = #{ matchers: [`a="b"`] };\n\nfn plan(alert, seen) {\n    log::writ("x")\n}\n',
  );
  await page.getByText("The newest rules are refused").waitFor();
  await page.getByRole("link", { name: "See why" }).click();
  await page.getByText("line 6").first().waitFor();
  assert.match(await page.locator("pre.source").first().textContent(), /\^/);
  assert.deepEqual(await violations(page), []);
  await selfheal.writeRule(
    "broken",
    '//! Whole.\n\nconst RULE = #{ matchers: [`a="b"`] };\n\nfn plan(alert, seen) {\n    log::write("x")\n}\n',
  );
  await page.getByText("The newest rules are refused").waitFor({ state: "detached" });
  await page.getByRole("link", { name: "broken" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("selfheal gone is said at once; what was seen stays; it goes on by itself", async () => {
  const { page, close } = await open(browser, selfheal.url, { token: TOKENS.admin, at: "#/issues" });
  await settled(page);
  await selfheal.kill();
  await page.getByText("selfheal does not answer.").waitFor();
  assert.ok(await page.getByRole("link", { name: "HighLatency" }).isVisible());
  assert.deepEqual(await violations(page), []);
  await selfheal.run();
  await page.getByText("selfheal does not answer.").waitFor({ state: "detached" });
  await until("it is connected", async () =>
    /Live|Every/.test(await page.locator(".connection").first().textContent()),
  );
  await close();
});
