// What the server's words mean to a person: a label, a tone, and a sentence.

export const OUTCOMES = {
  recovered: ["Recovered", "good", "It was done, and it helped."],
  applied: ["Unverified", "info", "It was done. The plan names nothing that would show whether it helped."],
  unwound: ["Taken back", "warn", "It was done, did not help, and was taken back."],
  kept: [
    "Kept",
    "warn",
    "It was done, did not help, and stays as it is: it cannot or must not be taken back. A person must look.",
  ],
  stuck: ["Stuck", "bad", "It was done, did not help, and could not be taken back. A person is needed now."],
  unknown: [
    "Unknown",
    "bad",
    "It may have been done; this cannot be told from here. A person must look before anything else happens.",
  ],
  refused: ["Refused", "warn", "Nothing was done: a guard said no."],
  shadowed: ["Shadowed", "info", "Nothing was done: this rule only shows what it would do."],
  skipped: ["Skipped", "plain", "Nothing was done: the rule looked and decided that there is nothing to do."],
  unmatched: ["No rule", "plain", "Nothing was done: no rule is for this alert."],
  denied: ["Denied", "plain", "Nothing was done: a person refused the plan."],
  expired: ["Expired", "warn", "Nothing was done: nobody answered in time."],
  escalated: ["Escalated", "bad", "Every plan was tried as often as it may be. A person is needed."],
  subsided: ["Went away", "good", "Nothing had to be done: the alert went away by itself."],
  failed: ["Failed", "bad", "The rule, what it reads or its target could not be used. A person must look."],
};

export const PHASES = {
  waiting: ["Waiting", "info"],
  awaiting_approval: ["Needs approval", "warn"],
  remediating: ["Remediating", "accent"],
  rested: ["Rested", "plain"],
  closed: ["Closed", "plain"],
};

/** Outcomes after which a person must look. */
const NEED_PERSON = ["stuck", "unknown", "escalated", "failed", "kept", "expired"];

/** Whether it is a person's turn: to look, or to answer. */
export function needsPerson({ outcome, phase }) {
  return phase === "awaiting_approval" || (phase !== "closed" && NEED_PERSON.includes(outcome));
}

export const INTENTS = {
  executing: ["Executing", "accent"],
  applied: ["Applied, being verified", "accent"],
  done: ["Done", "good"],
  unhelpful: ["Did not help", "warn"],
  not_applied: ["Not applied", "warn"],
  unknown: ["Unknown", "bad"],
  undoing: ["Being undone", "accent"],
  undone: ["Undone", "warn"],
  undo_failed: ["Undo failed", "bad"],
};

export const VERDICTS = {
  pass: ["Pass", "good"],
  hold: ["Hold", "info"],
  refuse: ["Refuse", "bad"],
  shadow: ["Shadow", "info"],
  ask: ["Ask a person", "warn"],
};

/** What each guard looks at. */
export const GUARDS = {
  switch: "Automatic remediation is switched on",
  mode: "The mode lets plans run",
  duplicate: "Nobody else is treating this",
  maintenance: "No maintenance window covers it",
  storm: "The rule is not flooded with new issues",
  cooldown: "The last remediation is long enough ago",
  rate: "Few enough remediations this hour",
  concurrency: "Few enough remediations right now",
  blast_radius: "No step affects more than it may",
  breaker: "The adapters are in working order",
  ownership: "Nobody else would take it back",
  policy: "Within the operator's limits",
  approval: "A person has approved, where one must",
};

export const MODES = {
  shadow: ["Shadow", "info", "Everything is decided and previewed; nothing is changed."],
  approve: ["Approve", "warn", "A person is asked before every plan."],
  auto: ["Auto", "good", "Plans run by themselves within the limits."],
};

export const APPROVALS = {
  open: ["Waits for you", "warn"],
  granted: ["Approved", "good"],
  refused: ["Refused", "plain"],
  expired: ["Expired", "plain"],
};

/** How an issue stands: label and tone. */
export function standing(issue) {
  const outcome = OUTCOMES[issue.outcome];
  if (issue.phase === "rested" && outcome) return outcome;
  if (issue.phase === "closed") return [outcome ? `Closed · ${outcome[0].toLowerCase()}` : "Closed", "plain"];
  return PHASES[issue.phase] ?? [issue.phase, "plain"];
}

/** How bad an issue is, as a tone. */
export const GRAVITIES = { critical: "bad", high: "bad", medium: "warn", low: "info" };

/** A score's tone: green above 90, red below 70. */
export function scoreTone(score) {
  if (score > 90) return "good";
  return score >= 70 ? "warn" : "bad";
}

/** `1 issue`, `3 issues`. */
export function count(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}
