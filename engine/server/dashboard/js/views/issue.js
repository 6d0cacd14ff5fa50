// One issue and its whole story: where it stands and why, the seven stations, the plan, every verdict, every record.

import * as api from "../api.js";
import { h } from "../dom.js";
import { changed } from "../live.js";
import { barred, current } from "../session.js";
import { absolute, duration, time } from "../time.js";
import { OUTCOMES, PHASES } from "../words.js";
import { approvalCard } from "../components/approval.js";
import { ask } from "../components/dialog.js";
import { previews } from "../components/diff.js";
import { facts, hash, issueChip, linked, remediationChip, severity } from "../components/marks.js";
import { observed } from "../components/observed.js";
import { card, pane } from "../components/pane.js";
import { planTree } from "../components/plan.js";
import { remediationDetails } from "../components/remediation.js";
import { lastDecision, record, stations, stepper } from "../components/story.js";
import { faultToast, toast } from "../components/toast.js";
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
    standing(issue, detail),
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
        decision.facts?.verdicts.length > 0 &&
          card("What the guards said", verdictTable(decision.facts.verdicts), {
            padded: false,
            aside: time(decision.at),
          }),
        ownPlan &&
          card("The plan, which did not run", [planTree(decision.plan), shownPreviews(decision)], {
            aside: hash(decision.facts.plan_hash),
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
function standing(issue, { acknowledged, silence, remediations }) {
  const [, tone] = OUTCOMES[issue.outcome] ?? PHASES[issue.phase];
  const kind = tone === "plain" || tone === "accent" ? "info" : tone;
  return h(
    "div",
    { class: `standing ${issue.phase === "closed" ? "plain" : kind}` },
    h(
      "div",
      { class: "row" },
      issueChip(issue),
      severity(issue),
      h("span", { class: "muted" }, fired(issue)),
      runbook(issue),
    ),
    issue.description && h("p", null, issue.description),
    h("p", { class: "standing-what" }, waitingFor(issue) ?? cameTo(issue, remediations)),
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
    quiet(issue, silence),
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
      mayBeDecided(issue) &&
        action(
          issue,
          "POST /manual-remediate/{id}",
          "Decide now",
          `/manual-remediate/${issue.id}`,
          "the delay is too long here",
          "The rule decides without waiting for its time, and every guard is asked. If a plan needs an approval then, somebody else than you must give it.",
        ),
      silencing(issue, silence),
    ),
  );
}

/** What it came to, in words; what was done may have been taken back since. */
function cameTo({ outcome }, remediations) {
  const [, , sentence] = OUTCOMES[outcome] ?? [];
  const states = remediations.flatMap(({ intents }) => intents ?? []).map(({ state }) => state);
  const isBack = states.includes("undone") && !states.includes("done");
  if (!isBack || outcome === "unwound") return sentence;
  return outcome === "denied" ? "What was done has been taken back." : `${sentence} The change has been taken back since.`;
}

/** How long it fires, or fired. */
function fired({ starts_at, resolved_at }) {
  if (!resolved_at) return ["firing since ", time(starts_at)];
  const seconds = (Date.parse(resolved_at) - Date.parse(starts_at)) / 1000;
  return [`fired for ${duration(Math.max(0, seconds))}, resolved `, time(resolved_at)];
}

/** Where its alert says what to do by hand. */
function runbook({ annotations }) {
  const address = annotations.runbook_url;
  return /^https?:\/\//i.test(address ?? "") && linked(address, "Runbook");
}

/** That the alert is kept quiet, and until when. */
function quiet(issue, silence) {
  if (silence)
    return h(
      "p",
      { class: "small" },
      `${silence.by} has silenced it for `,
      time(silence.until, "left"),
      h("span", { class: "muted" }, ` more · ${silence.reason} · selfheal does nothing meanwhile`),
    );
  if (!issue.suppressed_by) return null;
  return h(
    "p",
    { class: "small" },
    `Alertmanager keeps it quiet (${issue.suppressed_by}). selfheal does nothing meanwhile.`,
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
};

/** Whether there is something to decide that is not under way, or waiting for an answer. */
function mayBeDecided({ phase, resolved_at }) {
  return (phase === "waiting" || phase === "rested") && !resolved_at;
}

/** A button for what a person can do about an issue; none when it is closed. */
function action(issue, route, label, path, hint, about) {
  if (issue.phase === "closed") return null;
  const why = barred(route);
  const act = async (reason) => {
    const answer = await api.send(path, { reason });
    changed("issue", true);
    toast(DONE[label](answer));
  };
  const go = () =>
    why
      ? toast(why, true)
      : ask({
          title: `${label}: ${issue.type} · ${issue.resource}`,
          details: about && h("p", { class: "muted small" }, about),
          button: label,
          hint,
          act,
        });
  return h(
    "button",
    { class: "button", type: "button", title: why, "aria-disabled": why ? "true" : undefined, onclick: go },
    label,
  );
}

const LASTS = [
  ["30m", "30 minutes"],
  ["1h", "1 hour"],
  ["2h", "2 hours"],
  ["8h", "8 hours"],
  ["1d", "1 day"],
  ["3d", "3 days"],
  ["7d", "1 week"],
];

/** The button that has Alertmanager keep the alert quiet, or ends that; none where no Alertmanager is configured. */
function silencing(issue, silence) {
  if (!current().silences || (issue.phase === "closed" && !silence)) return null;
  const path = `/issues/${issue.id}/silence`;
  const why = barred(`${silence ? "DELETE" : "POST"} /issues/{id}/silence`);
  const end = async (event) => {
    event.currentTarget.disabled = true;
    try {
      await api.send(path, undefined, "DELETE");
      toast("Its alert is heard again.");
    } catch (error) {
      faultToast(error);
    }
    changed("issue", true);
  };
  const go = (event) => {
    if (why) toast(why, true);
    else if (silence) end(event);
    else askForSilence(issue, path);
  };
  return h(
    "button",
    {
      class: "button",
      type: "button",
      title: why,
      "aria-disabled": why ? "true" : undefined,
      "data-key": "silence",
      onclick: go,
    },
    silence ? "End the silence" : "Silence",
  );
}

function askForSilence(issue, path) {
  const lasts = h(
    "select",
    { name: "duration" },
    LASTS.map(([value, label]) => h("option", { value, selected: value === "2h" }, label)),
  );
  ask({
    title: `Silence: ${issue.type} · ${issue.resource}`,
    details: h(
      "div",
      { class: "stack" },
      h("p", { class: "muted small" }, "Alertmanager tells nobody of this alert, and selfheal does nothing about it."),
      h("label", { class: "field" }, h("span", null, "For how long?"), lasts),
    ),
    hint: "known, fixed tomorrow",
    button: "Silence",
    act: async (reason) => {
      const { until } = await api.send(path, { duration: lasts.value, reason });
      changed("issue", true);
      toast(`Silenced until ${absolute(Date.parse(until))}.`);
    },
  });
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
    ["Source", issue.generator_url && linked(issue.generator_url, "Open in Prometheus")],
    ["Fingerprint", h("code", null, issue.fingerprint)],
    ["Trace", issue.trace && h("code", null, issue.trace)],
  ]);
}

function labels(map) {
  return facts(Object.entries(map).map(([name, value]) => [name, linked(value)]));
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
