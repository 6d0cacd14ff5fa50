// Every guard's verdict, those that stand in the way first.

import { h } from "../dom.js";
import { time } from "../time.js";
import { GUARDS } from "../words.js";
import { verdictChip } from "./marks.js";

/** A refusal outweighs shadow mode, which outweighs a hold, which outweighs the need to ask. */
const ORDER = ["refuse", "shadow", "hold", "ask", "pass"];

/** The verdicts, those that decide first. */
export function byWeight(verdicts) {
  return [...verdicts].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
}

export function verdictTable(verdicts) {
  return h(
    "div",
    { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Verdicts of all guards" },
    h(
      "table",
      { class: "table verdicts" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, "Guard"),
          h("th", { scope: "col" }, "Says"),
          h("th", { scope: "col" }, "Because"),
        ),
      ),
      h("tbody", null, byWeight(verdicts).map(row)),
    ),
  );
}

function row({ guard, verdict, why, until }) {
  return h(
    "tr",
    { class: `verdict-${verdict}` },
    h("th", { scope: "row", title: GUARDS[guard] }, guard.replace("_", " ")),
    h("td", null, verdictChip(verdict)),
    h("td", null, why, until && [" · ", time(until)]),
  );
}
