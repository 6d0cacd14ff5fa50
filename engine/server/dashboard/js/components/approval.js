// One plan that waits for a person: what would be done, what it would change, why a person is asked, how long there is time.

import * as api from "../api.js";
import { h } from "../dom.js";
import { changed } from "../live.js";
import { barred } from "../session.js";
import { absolute, time } from "../time.js";
import { APPROVALS } from "../words.js";
import { ask } from "./dialog.js";
import { previews } from "./diff.js";
import { aboutTitle, chip, facts, hash } from "./marks.js";
import { planTree } from "./plan.js";
import { toast } from "./toast.js";

const ROUTE = "POST /approvals/{id}";

export function approvalCard(approval, issue) {
  const {
    id,
    state,
    issue_id,
    rule,
    plan,
    plan_hash,
    why,
    previews: shown,
    asked_at,
    expires_at,
    answer,
    level,
  } = approval;
  const title = aboutTitle(approval);
  return h(
    "article",
    { class: `card approval ${state}`, "aria-label": `Approval for ${title}` },
    h(
      "header",
      null,
      h("h2", null, h("a", { href: `#/issues/${issue_id}`, "data-key": `approval-${id}` }, title)),
      chip(APPROVALS[state] ?? [state]),
      h(
        "span",
        { class: "aside" },
        state === "open" ? [time(expires_at, "left"), " left"] : ["asked ", time(asked_at)],
      ),
    ),
    h(
      "div",
      { class: "body stack" },
      h("p", { class: "asked" }, why.replace(/^approval: /, "")),
      issue?.description && h("p", { class: "muted" }, issue.description),
      h(
        "div",
        { class: "approval-parts" },
        h("section", null, h("h3", null, "Plan"), planTree(plan)),
        h(
          "section",
          null,
          h("h3", null, "What it would change"),
          previews(shown) ?? h("p", { class: "muted" }, "No preview was made."),
        ),
      ),
      facts([
        ["Rule", h("a", { href: `#/rules/${encodeURIComponent(rule)}` }, rule)],
        ["Level", level > 0 && String(level)],
        ["Plan hash", hash(plan_hash)],
        ["Asked", time(asked_at)],
        ["Counts as refused", state === "open" && absolute(Date.parse(expires_at))],
        [
          "Answered",
          answer && [
            `${answer.granted ? "approved" : "refused"} by ${answer.by}: ${answer.reason} · `,
            time(answer.at),
          ],
        ],
      ]),
      state === "open" && buttons(approval, title),
    ),
  );
}

function buttons(approval, title) {
  const why = barred(ROUTE);
  const disabled = why ? "true" : undefined;
  const button = (label, tone, granted) =>
    h(
      "button",
      {
        class: `button ${tone}`,
        type: "button",
        "aria-disabled": disabled,
        title: why,
        "data-key": `${granted ? "approve" : "refuse"}-${approval.id}`,
        "aria-label": `${label} the plan for ${title}`,
        onclick: () => (why ? toast(why, true) : answer(approval, title, granted)),
      },
      label,
    );
  return h(
    "div",
    { class: "row" },
    button("Approve", "primary", true),
    button("Refuse", "danger", false),
    why && h("span", { class: "muted small" }, why),
  );
}

function answer(approval, title, granted) {
  ask({
    title: granted ? `Run this plan for ${title}?` : `Refuse this plan for ${title}?`,
    details: h(
      "div",
      { class: "stack" },
      h("div", { class: "well" }, planTree(approval.plan)),
      h(
        "p",
        { class: "muted small" },
        "You answer for exactly this plan: ",
        hash(approval.plan_hash),
        ". The guards are asked once more before it runs.",
      ),
    ),
    label: "Reason.",
    hint: granted ? "seen with the team" : "we wait for the vendor",
    button: granted ? "Approve and run" : "Refuse",
    tone: granted ? "primary" : "danger solid",
    act: async (reason) => {
      await api.send(`/approvals/${approval.id}`, {
        decision: granted ? "grant" : "refuse",
        plan_hash: approval.plan_hash,
        reason,
      });
      changed("approval", true);
      changed("issue", true);
      toast(
        granted
          ? "Approved. The plan runs now, if the guards still let it."
          : "Refused. The plan will not run.",
      );
    },
  });
}
