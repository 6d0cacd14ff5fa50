// The overview: is it well, what is open, what waits for a person, what was done lately.

import * as api from "../api.js";
import { h } from "../dom.js";
import { duration, time } from "../time.js";
import { count, needsPerson } from "../words.js";
import { aboutIssue, aboutTitle, chip, issueChip, quietChip, remediationChip, severity } from "../components/marks.js";
import { card, pane } from "../components/pane.js";
import { gauge, parts, trend } from "../components/score.js";
import { empty } from "../components/states.js";

const OPEN_SHOWN = 12;
const COSTS_SHOWN = 4;
const LATELY_SHOWN = 8;
const COMPONENTS = ["compute", "network", "storage", "database", "security"];

export function overview(_params, signal) {
  const element = h(
    "div",
    { class: "stack" },
    card(
      "Health",
      pane({
        load: () => api.get("/health-score"),
        show: health,
        topics: ["health", "issue", "all"],
        signal,
        what: "Loading the health score",
      }),
      { aside: "last 24 hours" },
    ),
    h(
      "div",
      { class: "overview" },
      card(
        "Waits for approval",
        pane({ load: () => api.get("/approvals"), show: approvals, topics: ["approval", "all"], signal }),
        {
          padded: false,
          className: "overview-waits",
          aside: h("a", { href: "#/approvals" }, "All approvals"),
        },
      ),
      card(
        "Open issues",
        pane({
          // One more than is shown says that there are more.
          load: () => api.get(`/issues?open=true&sort=urgency&limit=${OPEN_SHOWN + 1}`),
          show: open,
          topics: ["issue", "all"],
          signal,
        }),
        { padded: false, className: "overview-open", aside: h("a", { href: "#/issues" }, "All issues") },
      ),
      card(
        "Lately done",
        pane({
          load: () => api.page(`/remediations?limit=${LATELY_SHOWN}`),
          show: lately,
          topics: ["remediation", "all"],
          signal,
        }),
        {
          padded: false,
          className: "overview-done",
          aside: h("a", { href: "#/remediations" }, "All remediations"),
        },
      ),
    ),
  );
  return { title: "Overview", element };
}

function health(answer) {
  const scores = Object.fromEntries(COMPONENTS.map((name) => [name, answer[`${name}_score`]]));
  const samples = (answer.trend ?? []).map(({ at, overall, lowest }) => ({ at, score: overall, lowest }));
  const costs = answer.issues ?? [];
  return h(
    "div",
    { class: "health" },
    gauge(Math.round(answer.overall_score)),
    parts(scores),
    h(
      "div",
      { class: "health-trend" },
      samples.length > 1 ? trend(samples) : h("p", { class: "muted" }, "There is no trend yet."),
      costs.length > 0 && pointsLost(costs, answer.issues_not_listed ?? 0),
    ),
  );
}

/** The issues that cost the most; the server puts them in that order. */
function pointsLost(costs, notListed) {
  const most = costs.slice(0, COSTS_SHOWN);
  const rest = costs.length - most.length + notListed;
  return h(
    "p",
    { class: "small muted" },
    "Points lost: ",
    most.map(({ id, type, points }, index) => [
      index > 0 && ", ",
      h("a", { href: `#/issues/${id}` }, type),
      ` −${points}`,
    ]),
    rest > 0 && `, and ${count(rest, "more issue")}`,
  );
}

function open(items) {
  if (items.length === 0)
    return empty("Nothing is open", "Every alert that selfheal has received is resolved.");
  const needing = items.filter(needsPerson);
  return [
    needing.length > 0 &&
      h(
        "p",
        { class: "card-line" },
        chip([
          needing.length > OPEN_SHOWN
            ? `More than ${OPEN_SHOWN} issues need a person`
            : `${count(needing.length, "issue")} ${needing.length === 1 ? "needs" : "need"} a person`,
          "bad",
        ]),
      ),
    h(
      "ul",
      { class: "lines" },
      items
        .slice(0, OPEN_SHOWN)
        .map((issue) =>
          h(
            "li",
            { class: "line" },
            severity(issue),
            h(
              "div",
              { class: "line-main" },
              h("a", { href: `#/issues/${issue.id}`, "data-key": issue.id }, issue.type),
              h("span", { class: "muted small" }, aboutIssue(issue)),
            ),
            h("span", { class: "row" }, quietChip(issue), issueChip(issue)),
            h("span", { class: "muted small line-age" }, time(issue.starts_at, "age")),
          ),
        ),
    ),
    items.length > OPEN_SHOWN &&
      h(
        "p",
        { class: "card-line" },
        h("a", { href: "#/issues?open=true" }, "More are open"),
      ),
  ];
}

function approvals(list) {
  if (list.length === 0) return empty("Nobody is asked", "No plan waits for a person.");
  return h(
    "ul",
    { class: "lines" },
    list
      .slice(0, 6)
      .map((approval) =>
        h(
          "li",
          { class: "line" },
          h(
            "div",
            { class: "line-main" },
            h(
              "a",
              { href: `#/approvals/${approval.id}`, "data-key": approval.id },
              aboutTitle(approval),
            ),
            h("span", { class: "small" }, approval.description),
            h(
              "span",
              { class: "muted small" },
              `${approval.why.replace(/^approval: (step [0-9.]+: )?/, "")} · ${approval.rule}`,
            ),
          ),
          h("span", { class: "chip warn" }, time(approval.expires_at, "left"), " left"),
        ),
      ),
    list.length > 6 && h("li", { class: "line" }, h("a", { href: "#/approvals" }, `${list.length - 6} more`)),
  );
}

function lately({ items }) {
  if (items.length === 0) return empty("Nothing was done yet", "When a plan runs, it is shown here.");
  return h(
    "ul",
    { class: "lines" },
    items.map((remediation) =>
      h(
        "li",
        { class: "line" },
        h(
          "div",
          { class: "line-main" },
          h(
            "a",
            { href: `#/remediations?open=${remediation.id}`, "data-key": remediation.id },
            aboutTitle(remediation),
          ),
          h("span", { class: "small" }, remediation.description),
          h(
            "span",
            { class: "muted small" },
            time(remediation.started_at),
            ` · took ${duration(remediation.duration_seconds)} · ${remediation.rule}`,
          ),
        ),
        remediationChip(remediation),
      ),
    ),
  );
}
