// Counts, success and times, over 24 hours, 7 days and 30 days.

import * as api from "../api.js";
import { h } from "../dom.js";
import { setQuery } from "../router.js";
import { duration, time } from "../time.js";
import { OUTCOMES } from "../words.js";
import { chip } from "../components/marks.js";
import { card, pane } from "../components/pane.js";
import { empty } from "../components/states.js";

const WINDOWS = [["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["all", "Since the beginning"]];

/** The parts of the time to repair, in their order. */
const PARTS = [
  ["fire_to_receipt", "Fired → received"], ["receipt_to_decision", "Received → decided"], ["decision_to_effect", "Decided → effect"],
  ["effect_to_verified", "Effect → verified"], ["verified_to_resolved", "Verified → resolved"],
];

export function statistics(params, signal) {
  const wanted = params.query.get("window") || "24h";
  const load = async () => ({ statistics: await api.get("/statistics"), breakers: await api.get("/breakers").catch(() => []) });
  const button = ([value, label]) => h("button", { type: "button", "aria-pressed": String(value === wanted), onclick: () => setQuery({ window: value }, true) }, label);
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "row" }, h("div", { class: "segments", role: "group", "aria-label": "Which time" }, WINDOWS.map(button))),
    pane({ load, show: (answer) => show(answer, wanted), topics: ["remediation", "issue", "all"], signal, what: "Loading statistics" }),
  );
  return { title: "Statistics", element };
}

function show({ statistics, breakers }, wanted) {
  const windowed = wanted === "all" ? null : statistics.windows?.[wanted];
  const numbers = windowed ?? statistics;
  const pick = (...names) => names.map((name) => numbers[name]).find((value) => value !== undefined);
  const total = pick("total_remediations", "remediations") ?? 0;
  const rate = pick("success_rate");
  return [
    !windowed && wanted !== "all" && h("p", { class: "muted" }, "This selfheal counts since its beginning only."),
    h(
      "ul",
      { class: "figures" },
      figure("Issues", pick("total_issues_detected", "issues", "issues_detected"), statistics.open_issues !== undefined && `${statistics.open_issues} open now`),
      figure("Remediations", total, `${pick("successful_remediations", "successful") ?? 0} helped, ${pick("failed_remediations", "failed") ?? 0} did not`),
      figure("Success", rate === null || rate === undefined ? "–" : `${rate} %`, "of those that can be told"),
      figure("Mean time to repair", duration(meanOf(numbers.mttr) ?? pick("average_remediation_seconds")), numbers.mttr ? "fired → resolved" : "of a remediation"),
    ),
    h("div", { class: "halves" }, times(numbers), outcomes(numbers.by_outcome ?? {})),
    grouped("By rule", numbers.by_rule),
    grouped("By kind", numbers.by_kind),
    card("Circuit breakers", breakers.length ? breakerList(breakers) : empty("Every adapter works", "None has failed since its last success."), { padded: breakers.length > 0 }),
  ];
}

const meanOf = (part) => (typeof part === "number" ? part : part?.total?.mean ?? part?.total?.mean_seconds ?? part?.mean ?? part?.mean_seconds ?? null);

function figure(name, value, more) {
  return h("li", { class: "card figure" }, h("span", { class: "muted" }, name), h("strong", null, typeof value === "number" ? value.toLocaleString() : value ?? "–"), h("span", { class: "muted small" }, more));
}

function times({ mttr }) {
  if (!mttr || typeof mttr !== "object") return card("Time to repair", empty("Not in parts", "This selfheal does not measure the parts of the time to repair."));
  const rows = PARTS.map(([name, label]) => [label, mttr[name] ?? mttr.parts?.[name]]).filter(([, part]) => part);
  const value = (part, name) => part[name] ?? part[`${name}_seconds`];
  const most = Math.max(...rows.map(([, part]) => meanOf(part) ?? 0), 0.001);
  return card(
    "Time to repair, in its parts",
    h(
      "div",
      { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Time to repair" },
      h(
        "table",
        { class: "table" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Part"), ["mean", "p50", "p90", "p99"].map((name) => h("th", { scope: "col", class: "number" }, name)))),
        h("tbody", null, rows.map(([label, part]) => h("tr", null, h("th", { scope: "row" }, label, h("meter", { min: 0, max: most, value: meanOf(part) ?? 0, "aria-hidden": "true" })), ["mean", "p50", "p90", "p99"].map((name) => h("td", { class: "number" }, duration(value(part, name))))))),
      ),
    ),
    { padded: false },
  );
}

function outcomes(counts) {
  const entries = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...entries.map(([, count]) => count));
  const bars = entries.map(([name, count]) => h("li", null, chip(OUTCOMES[name] ?? [name]), h("meter", { min: 0, max: most, value: count, "aria-label": `${OUTCOMES[name]?.[0] ?? name}: ${count}` }), h("span", null, count.toLocaleString())));
  return card("How remediations ended", entries.length ? h("ul", { class: "rates" }, bars) : empty("None has ended", "When remediations end, their outcomes are counted here."));
}

function grouped(title, groups) {
  if (!groups) return null;
  const rows = Array.isArray(groups) ? groups : Object.entries(groups).map(([name, group]) => ({ name, ...group }));
  if (rows.length === 0) return null;
  const cell = (value) => h("td", { class: "number" }, value ?? "–");
  return card(
    title,
    h(
      "div",
      { class: "scroll-x", tabindex: 0, role: "region", "aria-label": title },
      h(
        "table",
        { class: "table" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, title.replace("By ", "")), ["Issues", "Remediations", "Success", "Mean time"].map((name) => h("th", { scope: "col", class: "number" }, name)))),
        h("tbody", null, rows.map((row) => h("tr", null, h("th", { scope: "row" }, row.name ?? row.rule ?? row.kind), cell(row.issues ?? row.total_issues_detected), cell(row.remediations ?? row.total_remediations), cell(row.success_rate !== null && row.success_rate !== undefined ? `${row.success_rate} %` : null), cell(duration(meanOf(row.mttr) ?? row.average_remediation_seconds))))),
      ),
    ),
    { padded: false },
  );
}

const BREAKERS = { open: ["Open", "bad"], trial: ["On trial", "warn"], closed: ["Counting failures", "plain"] };

function breakerList(list) {
  return h("ul", { class: "stack" }, list.map(({ adapter, state, failures, open_until }) => h("li", { class: "row" }, chip(BREAKERS[state] ?? [state]), h("strong", null, adapter), h("span", { class: "muted" }, failures !== undefined && `${failures} failures in a row`, open_until && [", left alone until ", time(open_until)]))));
}
