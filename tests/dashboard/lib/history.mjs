// A history as a day makes it, by real alerts: healed, shadowed, refused, failed, skipped, unmatched, and two that wait
// for a person.

import { alert, until } from "./selfheal.mjs";

/** Markup in labels, which must be shown as the text that it is. */
export const MARKUP = `<img src=x onerror="document.title='broken'"><b>bold</b>`;

export async function makeHistory(selfheal) {
  const describe = (description) => ({ annotations: { description, value: "0.93" } });
  await selfheal.send([
    alert(
      "DiskFillsUp",
      { severity: "critical", instance: "node-7:9100", namespace: "infra" },
      { minutes: 12, ...describe("Volume /data on node-7 is 93 % full") },
    ),
    alert(
      "DiskFillsUp",
      { severity: "warning", instance: "node-3:9100", namespace: "infra" },
      { minutes: 7, ...describe("Volume /var on node-3 is 86 % full") },
    ),
    alert(
      "HighErrorRate",
      { severity: "critical", app: "checkout", namespace: "shop" },
      { minutes: 4, ...describe("7.2 % of the requests to checkout fail") },
    ),
    alert(
      "HighErrorRate",
      { severity: "critical", app: "search", namespace: "shop" },
      { minutes: 2, ...describe("5.6 % of the requests to search fail") },
    ),
    alert(
      "MemoryRunsShort",
      { severity: "high", pod: "worker-5", namespace: "shop" },
      { minutes: 9, ...describe("worker-5 uses 91 % of its memory") },
    ),
    alert(
      "QueueGrows",
      { severity: "warning", queue: "mail", namespace: "mail" },
      { minutes: 30, ...describe("The queue mail holds 48 201 messages") },
    ),
    alert(
      "CertificateEndsSoon",
      { severity: "warning", domain: "shop.example.com", issuer: "external" },
      { minutes: 200, ...describe("The certificate of shop.example.com ends in 6 days") },
    ),
    alert(
      "CertificateEndsSoon",
      { severity: "high", domain: "intranet.example.com", issuer: "internal" },
      { minutes: 95, ...describe("The certificate of intranet.example.com ends in 3 days") },
    ),
    alert(
      "HighLatency",
      { severity: "warning", app: "checkout", namespace: "shop" },
      { minutes: 6, ...describe("p95 of checkout is 612 ms") },
    ),
    alert(
      "SomethingElse",
      { severity: "info", note: MARKUP, namespace: "shop" },
      { minutes: 1, ...describe(`No rule knows ${MARKUP}`) },
    ),
  ]);
  await until("every issue is decided", async () => {
    const issues = await selfheal.api("/issues?limit=100");
    const settled = (issue) => issue.outcome || issue.phase === "awaiting_approval" || issue.wake_at;
    const approvals = await selfheal.api("/approvals");
    return issues.length === 10 && issues.every(settled) && approvals.length === 2;
  });
}
