// One issue and its whole story: where it stands and why, the seven stations, the plan, every verdict, every record.

import * as api from "../api.js";
import { h } from "../dom.js";
import { changed } from "../live.js";
import { barred, has } from "../session.js";
import { absolute, time } from "../time.js";
import { OUTCOMES, PHASES } from "../words.js";
import { approvalCard } from "../components/approval.js";
import { ask } from "../components/dialog.js";
import { previews } from "../components/diff.js";
import { facts, hash, issueChip, remediationChip, severity } from "../components/marks.js";
import { observed } from "../components/observed.js";
import { card, pane } from "../components/pane.js";
import { planTree } from "../components/plan.js";
import { remediationDetails } from "../components/remediation.js";
import { lastDecision, record, stations, stepper } from "../components/story.js";
import { toast } from "../components/toast.js";
import { verdictTable } from "../components/verdicts.js";

export function issue(params, signal) {
  const id = params.name;
  const title = h("span", null, id);
  const element = pane({
    load: () => api.get(`/issues/${encodeURIComponent(id)}`),
    show: (detail) => {
      title.textContent = `${detail.issue.type} · ${detail.issue.resource}`;
      return story(detail);
    },
    topics: ["issue", "remediation", "approval", "all"],
    signal,
    what: "Loading the story",
  });
  return { title: id, heading: title, back: ["#/issues", "Issues"], element };
}

function story(detail) {
  const { issue, approvals, remediations } = detail;
  const decision = lastDecision(detail);
  const waiting = approvals.find(({ state }) => state === "open");
  const ownPlan = decision.plan && !waiting && remediations.length === 0;
  return [
    standing(issue, detail.acknowledged),
    card("How far it came", stepper(stations(detail))),
    waiting && approvalCard(waiting, issue),
    h(
      "div",
      { class: "columns" },
      h(
        "div",
        { class: "stack" },
        remediations.length > 0 &&
          card(
            "Remediations",
            [...remediations].reverse().map((remediation, index) => oneRemediation(remediation, index === 0)),
          ),
        ownPlan &&
          card("The plan, which did not run", [planTree(decision.plan), shownPreviews(decision)], {
            aside: hash(decision.facts.plan_hash),
          }),
        decision.facts?.verdicts.length > 0 &&
          card("What the guards said", verdictTable(decision.facts.verdicts), {
            padded: false,
            aside: time(decision.at),
          }),
        card("Everything that was recorded", record(detail.story, issue.id), { aside: "times are UTC" }),
      ),
      h(
        "div",
        { class: "stack" },
        card("Alert", about(issue)),
        decision.facts && card("What was read", observed(decision.facts.observed)),
        choices(decision),
        card("Labels", labels(issue.labels)),
        Object.keys(issue.annotations).length > 0 && card("Annotations", labels(issue.annotations)),
      ),
    ),
  ];
}

function shownPreviews({ previews: list }) {
  const shown = previews(list);
  return shown && [h("h3", { class: "spaced" }, "What it would change"), shown];
}

/** Where it stands, in plain words, with what a person can do. */
function standing(issue, acknowledged) {
  const [, tone, sentence] = OUTCOMES[issue.outcome] ?? PHASES[issue.phase];
  const kind = tone === "plain" || tone === "accent" ? "info" : tone;
  return h(
    "div",
    { class: `standing ${issue.phase === "closed" ? "plain" : kind}` },
    h(
      "div",
      { class: "row" },
      issueChip(issue),
      severity(issue.severity),
      h("span", { class: "muted" }, "firing since ", time(issue.starts_at)),
    ),
    h("p", { class: "standing-what" }, waitingFor(issue) ?? sentence),
    issue.why &&
      issue.phase !== "awaiting_approval" &&
      (issue.why.includes("\n")
        ? h("pre", { class: "source", tabindex: 0 }, issue.why)
        : h("p", { class: "muted" }, issue.why)),
    acknowledged &&
      h(
        "p",
        { class: "small" },
        `${acknowledged.by} has taken it in hand `,
        time(acknowledged.at),
        h("span", { class: "muted" }, ` · ${acknowledged.why}`),
      ),
    issue.wake_at &&
      issue.phase === "rested" &&
      h(
        "p",
        { class: "muted small" },
        "It is looked at again ",
        time(issue.wake_at),
        " if the alert still fires.",
      ),
    h(
      "div",
      { class: "row" },
      action(
        issue,
        "POST /issues/{id}/acknowledge",
        "Acknowledge",
        `/issues/${issue.id}/acknowledge`,
        "I am on it",
      ),
      action(
        issue,
        "POST /manual-remediate/{id}",
        "Decide now",
        `/manual-remediate/${issue.id}`,
        "the delay is too long here",
      ),
      action(
        issue,
        "POST /issues/{id}/silence",
        "Silence",
        `/issues/${issue.id}/silence`,
        "known, fixed tomorrow",
      ),
    ),
  );
}

function waitingFor(issue) {
  switch (issue.phase) {
    case "waiting":
      return [
        `It waits: ${issue.priority ? `rules of priority ${issue.priority} decide when an alert has fired long enough. ` : ""}It is looked at `,
        issue.wake_at ? time(issue.wake_at) : "soon",
        ".",
      ];
    case "awaiting_approval":
      return "A plan is ready. Nothing is done until a person approves it.";
    case "remediating":
      return "A plan is being carried out now.";
    default:
      return null;
  }
}

const DONE = {
  Acknowledge: () => "It is in your hands.",
  "Decide now": ({ status, why }) => `${OUTCOMES[status]?.[0] ?? status.replaceAll("_", " ")}: ${why}`,
  Silence: () => "Silenced in Alertmanager.",
};

/** A button for what a person can do about an issue; none where this server cannot do it. */
function action(issue, route, label, path, hint) {
  if (!has(route) || issue.phase === "closed") return null;
  const why = barred(route);
  const act = async (reason) => {
    const answer = await api.send(path, { reason });
    changed("issue", true);
    toast(DONE[label](answer));
  };
  const go = () =>
    why
      ? toast(why, true)
      : ask({ title: `${label}: ${issue.type} · ${issue.resource}`, button: label, hint, act });
  return h(
    "button",
    { class: "button", type: "button", title: why, "aria-disabled": why ? "true" : undefined, onclick: go },
    label,
  );
}

function oneRemediation(remediation, open) {
  return h(
    "details",
    { class: "fold", open, "data-key": remediation.id },
    h(
      "summary",
      null,
      h(
        "span",
        { class: "row" },
        remediationChip(remediation),
        h("strong", null, remediation.action_type),
        h("span", { class: "muted small" }, `${remediation.id} · `, time(remediation.started_at)),
      ),
    ),
    remediationDetails(remediation),
  );
}

function about(issue) {
  return facts([
    ["Description", issue.description],
    ["Resource", issue.resource],
    ["Rule", issue.rule && h("a", { href: `#/rules/${encodeURIComponent(issue.rule)}` }, issue.rule)],
    ["Priority", issue.priority],
    ["Component", issue.component],
    ["Level", issue.level > 0 && `${issue.level}`],
    ["Firing since", absolute(Date.parse(issue.starts_at))],
    ["Received", absolute(Date.parse(issue.detected_at))],
    ["Resolved", issue.resolved_at && absolute(Date.parse(issue.resolved_at))],
    ["Closed", issue.closed_at && absolute(Date.parse(issue.closed_at))],
    ["Source", safeLink(issue.generator_url)],
    ["Fingerprint", h("code", null, issue.fingerprint)],
    ["Trace", issue.trace && h("code", null, issue.trace)],
  ]);
}

/** A link to where the alert was made; other schemes than the web's are shown as text. */
function safeLink(address) {
  if (!address) return null;
  return /^https?:\/\//i.test(address)
    ? h("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, "Open in Prometheus")
    : h("code", null, address);
}

function labels(map) {
  return facts(Object.entries(map).map(([name, value]) => [name, h("code", null, value)]));
}

function choices({ facts }) {
  if (!facts?.choices?.length) return null;
  return card(
    "Why this order",
    h(
      "ul",
      { class: "stack" },
      facts.choices.map(({ path, why }) =>
        h("li", null, h("span", { class: "muted small" }, `step ${path} `), why),
      ),
    ),
  );
}
