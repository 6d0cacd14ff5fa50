// What a dry-run answers: for each alert the sentence, the rules that match with their decision, and those that do not.

import { h } from "../dom.js";
import { previews } from "./diff.js";
import { chip, hash } from "./marks.js";
import { observed } from "./observed.js";
import { card } from "./pane.js";
import { planTree } from "./plan.js";
import { empty, notice } from "./states.js";
import { verdictTable } from "./verdicts.js";

/** Everything that a dry-run said. */
export function answers({ alerts, malformed, generation }) {
  return [
    malformed.map((text) => notice("bad", "One alert is malformed.", text)),
    alerts.map((answer) => one(answer, generation)),
    alerts.length === 0 &&
      malformed.length === 0 &&
      h("div", { class: "card" }, empty("There is no alert in it", "`alerts` is empty.")),
  ];
}

const ENDINGS = {
  skip: ["Skips", "plain"],
  failed: ["Fails", "bad"],
  unreadable: ["Cannot read", "warn"],
  beyond: ["Needs a person", "bad"],
};
const RULINGS = {
  admit: ["Would run", "good"],
  hold: ["Would wait", "info"],
  refuse: ["Would be refused", "bad"],
  shadow: ["Would be shown only", "info"],
  ask: ["Would ask a person", "warn"],
};

function one({ alert, rules, decided_by, summary, rules_not_listed }, generation) {
  const decider = rules.find(({ rule }) => rule === decided_by);
  const matching = rules.filter(({ matches }) => matches);
  const others = rules.filter(({ matches }) => !matches);
  return card(
    alert.labels?.alertname ?? "Alert",
    h(
      "div",
      { class: "stack" },
      h("p", { class: "summary" }, summary),
      matching.map((look) => decision(look, look === decider)),
      others.length > 0 &&
        h(
          "details",
          { "data-key": "others" },
          h(
            "summary",
            null,
            `${others.length} rules do not match${rules_not_listed ? `, ${rules_not_listed} more are not listed` : ""}`,
          ),
          h("ul", { class: "stack looks" }, others.map(look)),
        ),
    ),
    { aside: `generation ${generation}` },
  );
}

function decision({ rule, decision, matchers, previews: shown }, decides) {
  const mark = decision
    ? decision.ending.decision === "ruled"
      ? RULINGS[decision.ending.ruling.ruling]
      : ENDINGS[decision.ending.decision]
    : ["Not asked", "plain"];
  const why = decision?.ending.why ?? decision?.ending.ruling?.why;
  return h(
    "section",
    { class: "look stack", "aria-label": `Rule ${rule}` },
    h(
      "div",
      { class: "row" },
      h("strong", null, rule),
      chip(mark ?? ["Ruled", "plain"]),
      decides && h("span", { class: "muted small" }, "decides"),
      decision?.plan_hash && h("span", { class: "muted small" }, "plan ", hash(decision.plan_hash)),
    ),
    why && (why.includes("\n") ? h("pre", { class: "source", tabindex: 0 }, why) : h("p", null, why)),
    look({ matchers }),
    decision?.plan && h("div", null, h("h3", null, "Plan"), planTree(decision.plan)),
    decision?.plan &&
      h(
        "div",
        null,
        h("h3", null, "What it would change"),
        previews(shown) ?? h("p", { class: "muted" }, "No preview."),
      ),
    decision &&
      Object.keys(decision.observed ?? {}).length > 0 &&
      h("div", null, h("h3", null, "What was read"), observed(decision.observed)),
    decision?.verdicts?.length > 0 &&
      h("div", null, h("h3", null, "What the guards say"), verdictTable(decision.verdicts)),
  );
}

function look({ rule, matchers }) {
  return h(
    rule ? "li" : "div",
    { class: "matchers" },
    rule && h("strong", null, rule),
    h(
      "ul",
      null,
      matchers.map(({ matcher, actual, holds }) =>
        h(
          "li",
          { class: holds ? "holds" : "fails" },
          h("code", null, matcher),
          h(
            "span",
            { class: "muted small" },
            holds
              ? " holds"
              : actual === null
                ? " does not hold: there is no such label"
                : [" does not hold: it is ", h("code", null, actual)],
          ),
        ),
      ),
    ),
  );
}
