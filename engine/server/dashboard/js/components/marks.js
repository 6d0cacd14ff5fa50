// Small marks: chips of state, severities, hashes, names of things that are code.

import { h } from "../dom.js";
import { GRAVITIES, OUTCOMES, standing, VERDICTS } from "../words.js";

export function chip([label, tone], title) {
  return h("span", { class: `chip ${tone ?? "plain"}`, title }, label);
}

export function issueChip(issue) {
  return chip(standing(issue));
}

export function remediationChip({ status, outcome }) {
  return status === "in_progress"
    ? chip(["In progress", "accent"])
    : chip(OUTCOMES[outcome] ?? [status, "plain"]);
}

/** The word that the alert has for it, in the tone of how bad it is. */
export function severity({ severity, gravity }) {
  return h("span", { class: `severity ${GRAVITIES[gravity]}` }, severity || "no severity");
}

export function verdictChip(verdict) {
  return chip(VERDICTS[verdict] ?? [verdict, "plain"]);
}

/** A hash, short, with all of it behind. */
export function hash(text) {
  return h("code", { title: text }, (text ?? "").slice(0, 12));
}

export function code(text) {
  return h("code", null, text);
}

/** What an issue is about, and what its alert says of it. */
export function aboutIssue({ type, resource, description }, ...more) {
  return [resource !== type && resource, ...more, description].filter(Boolean).join(" · ");
}

/** What an approval or a remediation is for: the alert and what it is about. */
export function aboutTitle({ type, resource, issue_id }) {
  return [type, resource !== type && resource].filter(Boolean).join(" · ") || issue_id;
}

/** A text that is a web address as a link; other schemes and texts stay text. */
export function linked(text, shown) {
  if (!/^https?:\/\/\S+$/i.test(text ?? "")) return h("code", null, text);
  return h("a", { href: text, rel: "noreferrer noopener", target: "_blank" }, shown ?? text);
}

/** That Alertmanager keeps an issue's alert quiet. */
export function quietChip({ suppressed_by }) {
  return suppressed_by && chip(["Silenced", "info"], suppressed_by);
}

/** Terms and their values; those without a value are left out. */
export function facts(pairs) {
  const given = pairs.filter(
    ([, value]) => value !== undefined && value !== null && value !== false && value !== "",
  );
  return h(
    "dl",
    { class: "facts" },
    given.map(([term, value]) => [h("dt", null, term), h("dd", null, value)]),
  );
}
