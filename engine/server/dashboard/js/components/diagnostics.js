// What a compiler says about a rule: the line with a caret below its fault, what is wrong and what to do.

import { h } from "../dom.js";
import { chip } from "./marks.js";

/** All of them; `goTo(line, column)` makes each place a button. */
export function diagnostics(list, goTo) {
  return h(
    "ol",
    { class: "diagnostics" },
    list.map((diagnostic) => one(diagnostic, goTo)),
  );
}

function one({ file, line, column, message, source_line, help, severity }, goTo) {
  const place = line ? `line ${line}${column ? `, column ${column}` : ""}` : "the whole file";
  const mark = severity === "warning" ? ["Warning", "warn"] : ["Error", "bad"];
  const number = String(line || "");
  const caret = column > 0 ? `${" ".repeat(number.length)} | ${" ".repeat(column - 1)}^` : "";
  return h(
    "li",
    null,
    h(
      "div",
      { class: "row" },
      chip(mark),
      h("strong", null, message),
      goTo && line
        ? h(
            "button",
            { class: "button quiet", type: "button", onclick: () => goTo(line, column || 1) },
            `Go to ${place}`,
          )
        : h("span", { class: "muted small" }, `${file.split("/").at(-1)}, ${place}`),
    ),
    source_line &&
      h("pre", { class: "source", tabindex: 0 }, `${number} | ${source_line}${caret && `\n${caret}`}`),
    help && h("p", { class: "muted" }, help),
  );
}
