// A real Chromium, and pages in it that notice what must not happen: faults in the console, requests to elsewhere.

import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const DESKTOP = { width: 1360, height: 860 };
export const PHONE = { width: 360, height: 740 };

/** Longer than anything takes on a busy machine, in milliseconds. */
const PATIENCE_MS = 30_000;

export async function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** A new page at selfheal, with its own storage. `faults` collects what must not happen. */
export async function open(
  browser,
  url,
  { viewport = DESKTOP, colorScheme = "light", reducedMotion = "reduce", at = "#/overview", token } = {},
) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()}`));
  page.on(
    "request",
    (request) => request.url().startsWith(url) || faults.push(`asked elsewhere: ${request.url()}`),
  );
  if (token) await page.addInitScript((token) => sessionStorage.setItem("selfheal.token", token), token);
  await page.goto(`${url}/${at}`);
  return { page, faults, close: () => context.close() };
}

/** Goes to another view, and waits until it has its content. */
export async function go(page, address) {
  await page.evaluate((address) => (location.hash = address), address);
  await settled(page);
}

/** Waits until nothing is loading. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => {
    const view = document.querySelector("#view");
    const here = location.hash.split("?")[0];
    return (!view || view.dataset.at === here) && !document.querySelector(".skeleton");
  });
}

/** What axe finds wrong, in short. */
export async function violations(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`),
  );
}
