// The timeline of remediations, by day, with filters; each unfolds to its steps and can be taken back.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { onChange } from "../live.js";
import { setQuery } from "../router.js";
import { known } from "../session.js";
import { duration, time } from "../time.js";
import { OUTCOMES } from "../words.js";
import { field, filterBar, matchesText, serverFilters } from "../components/filters.js";
import { aboutTitle, remediationChip } from "../components/marks.js";
import { remediationDetails } from "../components/remediation.js";
import { empty, failed, loading } from "../components/states.js";

const PAGE = 50;

const RUNNING = [
  ["", "Running and ended"],
  ["true", "Running"],
  ["false", "Ended"],
];
const ENDED = ["recovered", "applied", "unwound", "kept", "stuck", "unknown", "failed", "subsided"];
const ENDS = [["", "Any outcome"], ...ENDED.map((name) => [name, OUTCOMES[name][0]])];
const WHEN = [
  ["", "Any time"],
  ["1", "Last hour"],
  ["24", "Last 24 hours"],
  ["168", "Last 7 days"],
  ["720", "Last 30 days"],
];

const FILTERS = {
  running: (remediation, value) => (remediation.status === "in_progress") === (value === "true"),
  outcome: (remediation, value) => remediation.outcome === value,
  text: (remediation, value) =>
    matchesText(
      [remediation.id, remediation.type, remediation.resource, remediation.rule, remediation.description, remediation.why],
      value,
    ),
  resource: (remediation, value) => matchesText([remediation.resource], value),
  since: (remediation, value) => Date.parse(remediation.started_at) >= Date.parse(value),
};

export function remediations(params, signal) {
  const read = (name) => params.query.get(name) ?? "";
  const filters = {
    running: read("running"),
    outcome: read("outcome"),
    text: read("text"),
    resource: read("resource"),
  };
  let hours = read("hours");
  const opened = read("open");
  const source = serverFilters("/remediations", FILTERS);
  const place = h("div", { class: "stack" });
  let [items, next, shown, generation] = [[], null, null, 0];
  const since = () => hours && new Date(Date.now() - hours * 3_600_000).toISOString();

  function show() {
    const text = JSON.stringify(items) + next;
    if (text === shown) return;
    shown = text;
    if (items.length === 0) {
      fill(
        place,
        h(
          "div",
          { class: "card" },
          empty("No remediation fits", "Nothing was done, or nothing that fits these filters."),
        ),
      );
      return;
    }
    fill(
      place,
      days(items).map(([day, list]) =>
        h(
          "section",
          { "aria-label": day },
          h("h2", { class: "day" }, day),
          h(
            "ol",
            { class: "timeline" },
            list.map((remediation) => entry(remediation, opened, signal)),
          ),
        ),
      ),
      next &&
        h(
          "button",
          { class: "button", type: "button", "data-key": "more", onclick: () => load(next) },
          "Show older ones",
        ),
    );
  }

  async function load(path) {
    const own = generation;
    try {
      const page = await source.page(path, { ...filters, since: since() }, PAGE);
      // What was asked for before a filter changed is of no use any more.
      if (signal.aborted || own !== generation) return;
      items = path ? [...items, ...page.items] : page.items;
      next = page.next;
      show();
    } catch (error) {
      if (!signal.aborted && items.length === 0)
        fill(
          place,
          h(
            "div",
            { class: "card" },
            failed(error, () => load()),
          ),
        );
    }
  }

  /** The front again; what is below stays. */
  async function refresh() {
    const own = generation;
    const page = await source.page(null, { ...filters, since: since() }, PAGE).catch(() => null);
    if (!page || signal.aborted || own !== generation) return;
    const front = new Set(page.items.map(({ id }) => id));
    const rest = page.next ? items.filter(({ id }) => !front.has(id)) : [];
    if (rest.length === 0) next = page.next;
    items = [...page.items, ...rest];
    show();
  }

  const filter = (name, value) => {
    if (name === "hours") hours = value;
    else filters[name] = value;
    setQuery({ ...filters, hours });
    generation += 1;
    items = [];
    load();
  };

  onChange(["remediation", "all"], refresh, signal);
  fill(place, h("div", { class: "card" }, loading("Loading remediations")));
  load();
  const element = h(
    "div",
    { class: "stack" },
    filterBar(
      field.search(
        "Search remediations",
        filters.text,
        (value) => filter("text", value),
        "Search rule, resource, step, reason",
      ),
      field.choice("State", RUNNING, filters.running, (value) => filter("running", value)),
      field.choice("Outcome", ENDS, filters.outcome, (value) => filter("outcome", value)),
      field.choice("Time", WHEN, hours, (value) => filter("hours", value)),
      field.text("Resource", filters.resource, (value) => filter("resource", value), "Resource"),
    ),
    place,
  );
  return { title: "Remediations", element };
}

/** Days with their remediations, in the given order. */
function days(items) {
  const found = new Map();
  const format = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
  for (const item of items) {
    const day = format.format(new Date(item.started_at));
    found.set(day, [...(found.get(day) ?? []), item]);
  }
  return [...found];
}

function entry(remediation, opened, signal) {
  const { id, issue_id, description, rule, duration_seconds, started_at, rollback_performed } =
    remediation;
  const body = h("div", { class: "timeline-body" });
  let asked = false;
  const unfold = async () => {
    if (asked) return;
    asked = true;
    fill(body, loading("Loading its steps"));
    try {
      const [whole] = await Promise.all([api.get(`/remediations/${id}`), known()]);
      if (!signal.aborted) fill(body, remediationDetails(whole));
    } catch (error) {
      asked = false;
      fill(body, failed(error, unfold));
    }
  };
  const details = h(
    "details",
    { "data-key": id, ontoggle: (event) => event.target.open && unfold() },
    h(
      "summary",
      null,
      h(
        "span",
        { class: "timeline-head" },
        remediationChip(remediation),
        h(
          "span",
          { class: "timeline-what" },
          h("strong", null, aboutTitle(remediation)),
          h("span", { class: "muted small" }, description),
        ),
        rollback_performed && h("span", { class: "chip warn" }, "taken back"),
        h(
          "span",
          { class: "muted small timeline-when" },
          time(started_at),
          h("span", null, duration(duration_seconds)),
        ),
      ),
    ),
    h(
      "p",
      { class: "small" },
      h("a", { href: `#/issues/${issue_id}` }, issue_id),
      h("span", { class: "muted" }, ` · rule ${rule} · ${id}`),
    ),
    body,
  );
  if (id === opened) details.open = true;
  return h("li", { class: "card timeline-entry" }, details);
}
