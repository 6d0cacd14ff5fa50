// The seven stations of an issue, each with what happened there; and the whole record, line by line.

import { h } from "../dom.js";
import { clock, time } from "../time.js";
import { count, OUTCOMES } from "../words.js";
import { chip } from "./marks.js";
import { rawFacts } from "./observed.js";
import { byWeight } from "./verdicts.js";

const SHORT_CHARS = 72;

/**
 * What the decision was about that counts, and the plan that came of it: that of the last remediation, unless another plan
 * is on its way. A later look that led to nothing does not take its place.
 */
export function lastDecision({ issue, story, remediations, approvals }) {
  const all = story.filter((entry) => entry.facts?.verdicts);
  const done = remediations.at(-1)?.plan_hash;
  const isOnItsWay = issue.phase === "waiting" || issue.phase === "awaiting_approval";
  const ofDone = !isOnItsWay && all.findLast(({ facts }) => facts.plan_hash && facts.plan_hash === done);
  const decided = ofDone || all.at(-1);
  const facts = decided?.facts ?? null;
  // The plan stands where it was put: in the decision, the approval or the remediation.
  const known = [remediations.at(-1), approvals.at(-1), facts].find(
    (place) => place?.plan && (!facts?.plan_hash || place.plan_hash === facts.plan_hash),
  );
  const approval = approvals.find((approval) => approval.plan_hash === facts?.plan_hash) ?? approvals.at(-1);
  return {
    at: decided?.at,
    summary: decided?.summary,
    facts,
    plan: known?.plan ?? facts?.plan ?? null,
    previews: facts?.previews ?? approval?.previews ?? null,
  };
}

/** The stations: name, state (`past`, `here`, `stopped`, `never`) and a sentence. */
export function stations(detail) {
  const { issue, remediations } = detail;
  const decision = lastDecision(detail);
  const facts = decision.facts;
  const verdicts = facts?.verdicts ?? [];
  const intents = remediations.at(-1)?.intents ?? [];
  const against = byWeight(verdicts).find(({ verdict }) => verdict !== "pass");
  const list = [
    ["Received", "past", issue.detected_at, `firing since ${clock(issue.starts_at).slice(0, 8)}`],
  ];
  const put = (name, state, at, text) => list.push([name, state, at, text]);
  put(
    "Matched",
    issue.rule ? "past" : "stopped",
    issue.detected_at,
    issue.rule ? `rule ${issue.rule}` : "no rule is for it",
  );
  if (!facts) {
    const waits = issue.phase === "waiting";
    const ended = issue.outcome && issue.rule;
    put(
      "Observed",
      waits ? "here" : ended ? "stopped" : "never",
      issue.wake_at,
      waits ? "waits until its time" : ended ? OUTCOMES[issue.outcome][0].toLowerCase() : "",
    );
    for (const name of ["Planned", "Admitted", "Done", "Verified"]) put(name, "never", null, "");
    return list;
  }
  const readings = Object.keys(facts.observed ?? {}).length;
  put(
    "Observed",
    "past",
    decision.at,
    readings ? `${readings} reading${readings === 1 ? "" : "s"}` : "nothing to read",
  );
  const planned = Boolean(decision.plan || facts.plan_hash);
  put(
    "Planned",
    planned ? "past" : "stopped",
    decision.at,
    planned ? `plan ${facts.plan_hash?.slice(0, 8) ?? ""}` : short(decision.summary),
  );
  if (!planned) {
    for (const name of ["Admitted", "Done", "Verified"]) put(name, "never", null, "");
    return list;
  }
  const waiting = issue.phase === "awaiting_approval";
  const admitted = remediations.length > 0;
  put(
    "Admitted",
    admitted ? "past" : waiting ? "here" : "stopped",
    admitted ? remediations.at(-1).started_at : decision.at,
    admitted
      ? "by all guards"
      : waiting
        ? "a person is asked"
        : (against && `${against.guard}: ${against.verdict}`) || "not",
  );
  const running = remediations.at(-1)?.status === "in_progress";
  const applied = intents.filter(({ applied_at }) => applied_at);
  const undone = intents.filter(({ state }) => state === "undone").length;
  const done =
    applied.length > 0
      ? count(applied.length, "effect") + (undone ? `, ${undone} undone` : "")
      : "nothing was changed";
  put(
    "Done",
    !admitted ? "never" : applied.length > 0 ? "past" : running ? "here" : "stopped",
    applied.at(-1)?.applied_at,
    admitted ? done : "",
  );
  const outcome = remediations.at(-1)?.outcome;
  const good = outcome === "recovered";
  put(
    "Verified",
    !admitted ? "never" : running ? "here" : good ? "past" : outcome === "applied" ? "never" : "stopped",
    remediations.at(-1)?.completed_at,
    outcome === "applied" ? "nothing to verify by" : outcome ? OUTCOMES[outcome][0].toLowerCase() : "",
  );
  return list;
}

/** As much of a sentence as there is room for. */
function short(text) {
  const line = text.split(" --> ")[0].split("\n")[0];
  return line.length > SHORT_CHARS ? `${line.slice(0, SHORT_CHARS)} …` : line;
}

const SAID = { past: "done", here: "at this point now", stopped: "stopped here", never: "not reached" };

export function stepper(list) {
  return h(
    "ol",
    { class: "stations", "aria-label": "How far it came" },
    list.map(([name, state, at, text]) =>
      h(
        "li",
        { class: state, "aria-current": state === "here" ? "step" : undefined },
        h("span", { class: "station-dot", "aria-hidden": "true" }),
        h("strong", null, name),
        h("span", { class: "unseen" }, ` (${SAID[state]})`),
        h("span", { class: "station-text" }, text),
        at && state !== "never" && h("span", { class: "station-at" }, time(at)),
      ),
    ),
  );
}

/** Everything that was recorded. */
export function record(story, issue) {
  return h(
    "ol",
    { class: "record" },
    story.map((entry, index) =>
      h(
        "li",
        { class: `record-${entry.kind}` },
        h("time", { datetime: entry.at, class: "mono" }, clock(entry.at)),
        h(
          "div",
          null,
          h(
            "div",
            { class: "row" },
            h("strong", null, entry.kind.replaceAll("_", " ")),
            entry.actor !== "selfheal" && chip([entry.actor, "accent"]),
            entry.remediation && h("span", { class: "muted small" }, entry.remediation),
          ),
          h("p", { class: "said" }, entry.summary),
          rawFacts(entry.facts, `facts-${issue}-${index}`),
        ),
      ),
    ),
  );
}
