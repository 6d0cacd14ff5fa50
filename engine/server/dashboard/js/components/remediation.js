// One remediation: how it stands, its steps with what became of each, and the button that takes it back.

import * as api from "../api.js";
import { h } from "../dom.js";
import { changed } from "../live.js";
import { barred } from "../session.js";
import { clock, duration, time } from "../time.js";
import { INTENTS } from "../words.js";
import { ask } from "./dialog.js";
import { icon } from "./icons.js";
import { chip, facts, hash } from "./marks.js";
import { planTree } from "./plan.js";
import { toast } from "./toast.js";

const ROLLBACK = "POST /remediations/{id}/rollback";

/** Everything about one; `intents` where they are known. */
export function remediationDetails(remediation) {
  const { id, plan, plan_hash, rule, level, generation, approved_by, why, trace, intents } = remediation;
  const last = new Map((intents ?? []).map((intent) => [intent.path, intent]));
  const stateOf = (path) => last.has(path) && chip(INTENTS[last.get(path).state]);
  return h(
    "div",
    { class: "stack remediation-details" },
    why && h("p", null, why),
    h("section", null, h("h3", null, "Plan"), planTree(plan, stateOf)),
    intents?.length > 0 &&
      h("section", null, h("h3", null, "What was done"), h("ol", { class: "intents" }, intents.map(intent))),
    facts([
      ["Rule", h("a", { href: `#/rules/${encodeURIComponent(rule)}` }, rule)],
      ["Approved by", approved_by],
      ["Level", level > 0 && String(level)],
      ["Rules' generation", String(generation)],
      ["Plan hash", hash(plan_hash)],
      ["Trace", trace && h("code", null, trace)],
    ]),
    rollback(remediation, id),
  );
}

function intent({
  id,
  action,
  path,
  target,
  try_number,
  state,
  said,
  intended_at,
  applied_at,
  changed_at,
  prior,
  revert_at,
}) {
  const took = applied_at && (Date.parse(applied_at) - Date.parse(intended_at)) / 1000;
  return h(
    "li",
    { class: "intent" },
    h(
      "div",
      { class: "row" },
      chip(INTENTS[state] ?? [state]),
      h("code", null, action),
      h("span", { class: "muted small" }, `step ${path}${try_number > 1 ? `, try ${try_number}` : ""}`),
    ),
    h("div", { class: "muted small" }, target),
    h("div", null, said),
    h(
      "div",
      { class: "muted small" },
      `intended ${clock(intended_at)}`,
      applied_at && `, applied after ${duration(took)}`,
      changed_at !== applied_at && `, last changed ${clock(changed_at)}`,
      revert_at && [", taken back ", time(revert_at)],
    ),
    prior !== null &&
      prior !== undefined &&
      h(
        "details",
        { "data-key": `prior-${id}` },
        h("summary", { class: "small" }, "State before"),
        h("pre", { class: "raw", tabindex: 0 }, JSON.stringify(prior, null, 2)),
      ),
  );
}

/** What a rollback came to, in words. */
function cameTo({ status, undone, stays, failed }) {
  const said = (list) => list.map(({ action, said }) => `${action} (${said})`).join(", ");
  if (status === "failed")
    return `It could not be taken back: ${failed.action}: ${failed.said}. A person is needed.`;
  if (status === "nothing_to_undo") return "There was nothing left to take back.";
  const back = undone.length > 0 && `Taken back: ${said(undone)}.`;
  const left = stays.length > 0 && `Stays as it is: ${said(stays)}.`;
  return [back, left].filter(Boolean).join(" ");
}

function rollback(remediation, id) {
  const { status, intents } = remediation;
  if (status === "in_progress") return null;
  const applied = (intents ?? []).filter(
    ({ state }) => state === "done" || state === "unhelpful" || state === "applied",
  );
  if (intents && applied.length === 0)
    return h("p", { class: "muted small" }, "There is nothing left that could be taken back.");
  const why = barred(ROLLBACK);
  const go = () =>
    ask({
      title: `Take back ${id}?`,
      details: h(
        "p",
        null,
        "What it applied is undone in reverse order. Steps that cannot be undone are left as they are, and said.",
      ),
      hint: "it made checkout slower",
      button: "Take it back",
      tone: "danger solid",
      act: async (reason) => {
        const answer = await api.send(`/remediations/${id}/rollback`, { reason });
        changed("remediation", true);
        changed("issue", true);
        toast(cameTo(answer), answer.status === "failed");
      },
    });
  return h(
    "div",
    { class: "row" },
    h(
      "button",
      {
        class: "button danger",
        type: "button",
        "aria-disabled": why ? "true" : undefined,
        title: why,
        onclick: () => (why ? toast(why, true) : go()),
      },
      icon("undo"),
      "Take it back",
    ),
    why && h("span", { class: "muted small" }, why),
  );
}
