// Counts, success and times, over 24 hours, 7 days, 30 days, and since the beginning.

import * as api from "../api.js";
import { h } from "../dom.js";
import { setQuery } from "../router.js";
import { duration, time } from "../time.js";
import { count, OUTCOMES } from "../words.js";
import { chip } from "../components/marks.js";
import { card, pane } from "../components/pane.js";
import { empty } from "../components/states.js";

const WINDOWS = [
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["all", "Since the beginning"],
];

/** The parts of the time to repair, in their order. */
const PARTS = [
  ["detection", "Fired → received"],
  ["decision", "Received → decided"],
  ["effect", "Decided → first effect"],
  ["verification", "Effect → verified"],
  ["resolution", "Verified → resolved"],
];
const SPREAD = [
  ["mean_seconds", "mean"],
  ["p50_seconds", "p50"],
  ["p90_seconds", "p90"],
  ["p99_seconds", "p99"],
];

export function statistics(params, signal) {
  const wanted = params.query.get("window") || "24h";
  const load = async () => ({
    statistics: await api.get("/statistics"),
    breakers: await api.get("/breakers").catch(() => []),
  });
  const button = ([value, label]) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === wanted),
        onclick: () => setQuery({ window: value }, true),
      },
      label,
    );
  const element = h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "row" },
      h("div", { class: "segments", role: "group", "aria-label": "Which time" }, WINDOWS.map(button)),
    ),
    pane({
      load,
      show: (answer) => show(answer, wanted),
      topics: ["remediation", "issue", "all"],
      signal,
      what: "Loading statistics",
    }),
  );
  return { title: "Statistics", element };
}

function show({ statistics, breakers }, wanted) {
  const window = statistics.windows?.[wanted];
  return [
    window ? ofWindow(window, statistics) : sinceTheBeginning(statistics, wanted),
    card(
      "Circuit breakers",
      breakers.length
        ? breakerList(breakers)
        : empty("Every adapter works", "None has failed since its last success."),
      { padded: breakers.length > 0 },
    ),
  ];
}

function sinceTheBeginning(statistics, wanted) {
  const {
    total_issues_detected,
    open_issues,
    total_remediations,
    verified_remediations,
    unverified_remediations,
    failed_remediations,
    success_rate,
    average_remediation_seconds,
    by_outcome,
  } = statistics;
  return [
    wanted !== "all" && h("p", { class: "muted" }, "This selfheal counts since its beginning only."),
    figures([
      ["Issues", total_issues_detected, `${open_issues.toLocaleString()} open now`],
      [
        "Remediations",
        total_remediations,
        ended({
          verified: verified_remediations,
          unverified: unverified_remediations,
          failed: failed_remediations,
        }),
      ],
      ["Success", percent(success_rate), OF_WHAT],
      ["Mean remediation", duration(average_remediation_seconds), "decided → ended"],
    ]),
    outcomes(by_outcome),
  ];
}

function ofWindow(window, { open_issues, mttr_reduction }) {
  const {
    issues_detected,
    issues_resolved,
    remediations,
    mttr,
    times,
    by_severity,
    by_component,
    by_rule,
    by_kind,
  } = window;
  return [
    figures([
      [
        "Issues",
        issues_detected,
        `${issues_resolved.toLocaleString()} resolved, ${open_issues.toLocaleString()} open now`,
      ],
      [
        "Remediations",
        remediations.total,
        ended(remediations),
      ],
      ["Success", percent(remediations.success_rate), OF_WHAT],
      [
        "Time to repair",
        duration(mttr?.mean_seconds),
        mttr
          ? `mean of ${mttr.count}; this week ${mttr_reduction ?? "cannot be compared"}`
          : "nothing was resolved yet",
      ],
    ]),
    h(
      "div",
      { class: "halves" },
      repairTimes(times, mttr),
      h(
        "div",
        { class: "stack" },
        outcomes(remediations.by_outcome),
        split("Issues by severity", by_severity),
        split("Issues by component", by_component),
      ),
    ),
    h(
      "div",
      { class: "halves" },
      groups("Rule", by_rule, (name) => h("a", { href: `#/rules/${encodeURIComponent(name)}` }, name)),
      groups("Kind", by_kind, (name) =>
        h("a", { href: `#/issues${api.query({ text: name })}` }, name || "(no name)"),
      ),
    ),
  ];
}

const OF_WHAT = "verified, of those verified or failed";

/** What became of remediations; those of which nothing shows whether they helped are counted for themselves. */
function ended({ verified, unverified, failed }) {
  return `${verified.toLocaleString()} verified, ${unverified.toLocaleString()} unverified, ${failed.toLocaleString()} failed`;
}

const percent = (value) => (value === null || value === undefined ? "–" : `${value} %`);

function figures(list) {
  return h(
    "ul",
    { class: "figures" },
    list.map(([name, value, more]) =>
      h(
        "li",
        { class: "card figure" },
        h("span", { class: "muted" }, name),
        h("strong", null, typeof value === "number" ? value.toLocaleString() : value),
        h("span", { class: "muted small" }, more),
      ),
    ),
  );
}

function repairTimes(times, whole) {
  const rows = [...PARTS.map(([name, label]) => [label, times[name]]), ["Fired → resolved", whole]];
  if (rows.every(([, spread]) => !spread))
    return card(
      "Time to repair",
      empty("Nothing to measure yet", "When issues are resolved, the parts of their time are shown here."),
    );
  const most = Math.max(0.001, ...rows.map(([, spread]) => spread?.mean_seconds ?? 0));
  const bar = (spread) =>
    h("meter", {
      class: "amount",
      min: 0,
      max: most,
      value: spread?.mean_seconds ?? 0,
      "aria-hidden": "true",
    });
  const row = ([label, spread]) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, label, bar(spread)),
      SPREAD.map(([name]) => h("td", { class: "number" }, duration(spread?.[name]))),
    );
  return card(
    "Time to repair, in its parts",
    table("Time to repair", ["Part", ...SPREAD.map(([, label]) => label)], rows.map(row)),
    { padded: false },
  );
}

function table(label, columns, rows) {
  const head = columns.map((name, index) => h("th", { scope: "col", class: index ? "number" : "" }, name));
  return h(
    "div",
    { class: "scroll-x", tabindex: 0, role: "region", "aria-label": `${label}, table` },
    h("table", { class: "table" }, h("thead", null, h("tr", null, head)), h("tbody", null, rows)),
  );
}

function bars(entries, label) {
  const most = Math.max(1, ...entries.map(([, number]) => number));
  const bar = ([name, number]) =>
    h(
      "li",
      null,
      label(name),
      h("meter", { class: "amount", min: 0, max: most, value: number, "aria-label": `${name}: ${number}` }),
      h("span", null, number.toLocaleString()),
    );
  return h("ul", { class: "rates" }, entries.map(bar));
}

const sorted = (counts) =>
  Object.entries(counts)
    .filter(([, number]) => number > 0)
    .sort(([, a], [, b]) => b - a);

function outcomes(counts) {
  const entries = sorted(counts);
  return card(
    "How remediations ended",
    entries.length
      ? bars(entries, (name) => chip(OUTCOMES[name] ?? [name]))
      : empty("None has ended", "When remediations end, their outcomes are counted here."),
    { padded: entries.length > 0 },
  );
}

function split(title, counts) {
  const entries = sorted(counts);
  return (
    entries.length > 0 &&
    card(
      title,
      bars(entries, (name) => h("span", null, name)),
    )
  );
}

function groups(title, list, name) {
  if (list.length === 0) return null;
  const row = (group) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, name(group.name)),
      [
        group.issues.toLocaleString(),
        group.remediations.total.toLocaleString(),
        percent(group.remediations.success_rate),
        duration(group.mttr?.mean_seconds),
      ].map((text) => h("td", { class: "number" }, text)),
    );
  return card(
    `By ${title.toLowerCase()}`,
    table(
      `By ${title.toLowerCase()}`,
      [title, "Issues", "Remediations", "Success", "Time to repair"],
      list.map(row),
    ),
    { padded: false },
  );
}

const BREAKERS = {
  open: ["Open", "bad"],
  trial: ["On trial", "warn"],
  closed: ["Counting failures", "plain"],
};

function breakerList(list) {
  const one = ({ adapter, state, failures, open_until }) =>
    h(
      "li",
      { class: "row" },
      chip(BREAKERS[state] ?? [state]),
      h("strong", null, adapter),
      h(
        "span",
        { class: "muted" },
        failures !== undefined && `${count(failures, "failure")} in a row`,
        open_until && [", left alone until ", time(open_until)],
      ),
    );
  return h("ul", { class: "stack" }, list.map(one));
}
