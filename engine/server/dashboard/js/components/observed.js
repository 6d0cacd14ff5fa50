// What was read before deciding: each reading with its fields, or why there is none.

import { h } from "../dom.js";
import { chip, facts } from "./marks.js";
import { value2text } from "./plan.js";

export function observed(readings) {
  const entries = Object.entries(readings ?? {});
  if (entries.length === 0) return h("p", { class: "muted" }, "The rule asks for nothing to be read.");
  return entries.map(([name, reading]) => {
    if (reading && typeof reading === "object" && "inconclusive" in reading) {
      return h(
        "div",
        null,
        h("h3", null, name),
        h("div", { class: "row" }, chip(["No answer", "warn"]), reading.inconclusive),
      );
    }
    const known = reading?.known ?? reading;
    const fields =
      known && typeof known === "object" && !Array.isArray(known)
        ? Object.entries(known)
        : [["value", known]];
    return h(
      "div",
      null,
      h("h3", null, name),
      facts(fields.map(([field, value]) => [field, h("code", null, value2text(value))])),
    );
  });
}

/** Any facts, as JSON, behind a fold. */
export function rawFacts(value, key) {
  if (value === null || value === undefined) return null;
  return h(
    "details",
    { "data-key": key },
    h("summary", { class: "small" }, "All facts"),
    h("pre", { class: "raw", tabindex: 0 }, JSON.stringify(value, null, 2)),
  );
}
