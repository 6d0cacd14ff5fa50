// All issues: filters, search, and a list that stays fast however long it is.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { onChange } from "../live.js";
import { setQuery } from "../router.js";
import { time } from "../time.js";
import { OUTCOMES, PHASES } from "../words.js";
import { LongList } from "../components/list.js";
import { aboutIssue, issueChip, quietChip, severity } from "../components/marks.js";
import { empty, failed, loading } from "../components/states.js";
import { field, filterBar, matchesText, serverFilters } from "../components/filters.js";

const PAGE = 200;
/** How much of the front is asked for again when something changed. */
const FRONT = 100;
const ROW_PX = 53;
const ROW_PHONE_PX = 76;

const OPEN = [
  ["", "Open and closed"],
  ["true", "Open"],
  ["false", "Closed"],
];
/** As the server and the statistics measure it, whatever word an alert has for it. */
const SEVERITIES = [
  ["", "Any severity"],
  ["critical", "Critical"],
  ["high", "High"],
  ["medium", "Medium (warning)"],
  ["low", "Low (info)"],
];
const STATES = [["", "Any state"], ...Object.entries(PHASES).map(([name, [label]]) => [name, label])];
const ENDS = [["", "Any outcome"], ...Object.entries(OUTCOMES).map(([name, [label]]) => [name, label])];

/** What is asked of the server, and how the same is done here where the server does not know the parameter. */
const FILTERS = {
  open: (issue, value) => (issue.phase !== "closed") === (value === "true"),
  phase: (issue, value) => issue.phase === value,
  outcome: (issue, value) => issue.outcome === value,
  rule: (issue, value) => issue.rule === value,
  severity: (issue, value) => issue.gravity === value,
  text: (issue, value) =>
    matchesText(
      [
        issue.id,
        issue.type,
        issue.resource,
        issue.rule,
        issue.why,
        issue.description,
        ...Object.values(issue.labels),
      ],
      value,
    ),
};

export function issues(params, signal) {
  const filters = Object.fromEntries(
    Object.keys(FILTERS).map((name) => [name, params.query.get(name) ?? ""]),
  );
  const source = serverFilters("/issues", FILTERS);
  const status = h("p", { class: "muted small list-status", role: "status" });
  const place = h("div", { class: "card" });
  let [items, next, asking, generation, loaded] = [[], null, false, 0, false];

  const list = new LongList({
    label: "Issues",
    columns: ["Severity", "Issue", "State", "Rule", "Age"],
    className: "issues-list",
    rowHeight: () => (innerWidth <= 760 ? ROW_PHONE_PX : ROW_PX),
    row,
    key: ({ id }) => id,
    more: () => next && load(next),
    signal,
  });

  function show() {
    if (!loaded) return;
    if (items.length === 0) {
      const any = Object.values(filters).some(Boolean);
      fill(
        place,
        any
          ? empty("No issue fits", "Nothing that selfheal knows fits these filters.")
          : empty("No issues yet", "When Alertmanager sends the first alert, it appears here at once."),
      );
    } else if (list.element.parentNode !== place) {
      fill(place, list.element);
    }
    list.show(items, next ? -1 : items.length + 1);
    status.textContent =
      items.length === 0
        ? ""
        : `${items.length.toLocaleString()} ${items.length === 1 ? "issue" : "issues"}${next ? " so far, more below" : ""}`;
  }

  async function load(path) {
    if (asking) return;
    asking = true;
    const own = generation;
    try {
      const page = await source.page(path, filters, PAGE);
      if (signal.aborted || own !== generation) return;
      items = path ? [...items, ...page.items] : page.items;
      next = page.next;
      loaded = true;
    } catch (error) {
      if (signal.aborted || own !== generation) return;
      if (items.length === 0)
        fill(
          place,
          failed(error, () => load()),
        );
      next = null;
    } finally {
      if (own === generation) asking = false;
    }
    show();
  }

  /** Asks for the front again: what is new comes on top, what changed is changed, what no longer fits goes. */
  async function refresh() {
    if (!loaded) {
      load();
      return;
    }
    const own = generation;
    const page = await source.page(null, filters, FRONT).catch(() => null);
    if (!page || signal.aborted || own !== generation) return;
    const last = page.items.at(-1);
    const rest = page.next && last ? items.filter((issue) => number(issue) < number(last)) : [];
    items = [...page.items, ...rest];
    if (!page.next) next = null;
    show();
  }

  function filter(name, value) {
    filters[name] = value;
    generation += 1;
    [asking, loaded] = [false, false];
    setQuery(filters);
    fill(place, loading("Loading issues"));
    [items, next] = [[], null];
    load();
  }

  onChange(["issue", "all"], refresh, signal);
  fill(place, loading("Loading issues"));
  load();
  const element = h(
    "div",
    { class: "stack" },
    filterBar(
      field.search(
        "Search issues",
        filters.text,
        (value) => filter("text", value),
        "Search name, resource, labels",
      ),
      field.choice("Open or closed", OPEN, filters.open, (value) => filter("open", value)),
      field.choice("Severity", SEVERITIES, filters.severity, (value) => filter("severity", value)),
      field.choice("State", STATES, filters.phase, (value) => filter("phase", value)),
      field.choice("Outcome", ENDS, filters.outcome, (value) => filter("outcome", value)),
      filters.rule &&
        h(
          "button",
          {
            class: "button",
            type: "button",
            onclick: (event) => {
              event.target.remove();
              filter("rule", "");
            },
          },
          `Rule: ${filters.rule} ✕`,
        ),
    ),
    status,
    place,
  );
  return { title: "Issues", element };
}

const number = ({ id }) => Number(id.replace(/\D/g, ""));

function row(issue) {
  return [
    h("div", { role: "cell" }, severity(issue)),
    h(
      "div",
      { role: "cell", class: "list-main" },
      h("a", { href: `#/issues/${issue.id}` }, issue.type),
      h("span", { class: "muted small" }, aboutIssue(issue, issue.id)),
    ),
    h("div", { role: "cell", class: "row" }, issueChip(issue), quietChip(issue)),
    h("div", { role: "cell", class: "muted list-rule" }, issue.rule ?? "–"),
    h("div", { role: "cell", class: "muted list-age" }, time(issue.starts_at, "age")),
  ];
}
