// A plan as a tree: what is done, in which order, what shows that it helped, what is undone.

import { h } from "../dom.js";
import { chip } from "./marks.js";

const KINDS = {
  sequence: "All of these, in this order",
  fallback: "The first of these that helps",
};

/** The tree. `intents` (by step path) show what became of each step. */
export function planTree(plan, stateOf = () => null) {
  return h("ol", { class: "plan" }, node(plan, stateOf));
}

function node(plan, stateOf) {
  if (plan.step) return step(plan.step, stateOf);
  const kind = plan.sequence ? "sequence" : "fallback";
  const parts = plan[kind] ?? [];
  return h(
    "li",
    { class: "plan-group" },
    h("span", { class: "plan-kind" }, KINDS[kind]),
    h(
      "ol",
      null,
      parts.map((part) => node(part, stateOf)),
    ),
  );
}

function step(step, stateOf) {
  return h(
    "li",
    { class: "plan-step" },
    h("div", { class: "row" }, callText(step), stateOf(step.path)),
    h(
      "ul",
      { class: "plan-options" },
      options(step).map((option) => h("li", null, option)),
    ),
    step.needs_approval &&
      h("div", { class: "row small" }, chip(["Asks a person", "warn"]), step.needs_approval),
  );
}

/** `adapter.action` and its parameters, each as text. */
export function callText(step) {
  const params = Object.entries(step.params ?? {});
  return h(
    "span",
    { class: "call" },
    h("code", { class: "call-name" }, `${step.adapter}.${step.action}`),
    params.map(([name, value]) =>
      h(
        "span",
        { class: "call-param" },
        h("span", { class: "muted" }, name),
        " ",
        h("code", null, value2text(value)),
      ),
    ),
  );
}

function options(step) {
  const found = [];
  if (step.verify) found.push(`verified by ${condition(step.verify.condition)} within ${step.verify.within}`);
  else found.push("not verified");
  if (step.retry)
    found.push(
      `${step.retry.times} more ${step.retry.times === 1 ? "try" : "tries"}, the first after ${step.retry.first_delay}`,
    );
  if (step.timeout) found.push(`may take ${step.timeout}`);
  if (step.revert_after) found.push(`taken back after ${step.revert_after}`);
  if (step.keep_on_failure) found.push("stays when it does not help");
  return found;
}

const TESTS = {
  below: "below",
  at_most: "at most",
  above: "above",
  at_least: "at least",
  equals: "equal to",
  differs: "other than",
  falls_by: "fallen by",
  rises_by: "risen by",
};

/** A condition in words. */
export function condition(given) {
  if (given.all) return given.all.map(condition).join(" and ");
  if (given.any) return `(${given.any.map(condition).join(" or ")})`;
  const compare = given.compare ?? given;
  if (!compare.probe) return JSON.stringify(given);
  const [[test, bound] = ["", ""]] = Object.entries(compare.test ?? {});
  const probe = compare.probe;
  const params = Object.values(probe.params ?? {})
    .map(value2text)
    .join(", ");
  return `${probe.adapter}.${probe.probe}(${params}) ${compare.field} ${TESTS[test] ?? test} ${value2text(bound)}`;
}

/** A JSON value on one line: texts without quotes. */
export function value2text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
