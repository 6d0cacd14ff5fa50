// Previews: what each step would change, from the value now to the value afterwards, line by line where it has lines.

import { h } from "../dom.js";
import { chip } from "./marks.js";

/** All previews of a plan, in its order. */
export function previews(list) {
  if (!Array.isArray(list) || list.length === 0) return null;
  return h(
    "ol",
    { class: "previews" },
    list.map(({ path, action, preview }) =>
      h("li", null, h("div", { class: "small muted" }, `Step ${path}`), one(preview, action)),
    ),
  );
}

function one(preview, action) {
  if (!preview || preview.failed) {
    return h(
      "div",
      null,
      h("code", null, action),
      " ",
      chip(["No preview", "warn"]),
      " ",
      h("span", { class: "muted" }, preview?.failed ?? "none was given"),
    );
  }
  return [
    h("div", null, preview.summary),
    preview.changes?.length > 0 &&
      h("div", { class: "diff", role: "group", "aria-label": "Changes" }, preview.changes.map(change)),
  ];
}

function change({ what, from, to }) {
  const [before, after] = [lines(from), lines(to)];
  // Equal lines at both ends are the surroundings.
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail += 1;
  const gone = before.slice(head, before.length - tail);
  const come = after.slice(head, after.length - tail);
  return [
    h("div", { class: "diff-what" }, what),
    before.slice(Math.max(0, head - 3), head).map((text) => line(" ", text)),
    gone.map((text) => line("-", text)),
    come.map((text) => line("+", text)),
    before.slice(before.length - tail, before.length - tail + 3).map((text) => line(" ", text)),
  ];
}

const NAMES = { "-": ["gone", "now"], "+": ["come", "then"], " ": ["same", "unchanged"] };

function line(sign, text) {
  const [name, said] = NAMES[sign];
  return h(
    "div",
    { class: `diff-line ${name}` },
    h("span", { "aria-hidden": "true" }, sign),
    h("span", { class: "unseen" }, `${said}: `),
    h("code", null, text),
  );
}

function lines(value) {
  if (value === null || value === undefined) return [];
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return text.split("\n");
}
