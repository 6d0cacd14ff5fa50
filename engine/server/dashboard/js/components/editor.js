// A plain text editor with line numbers, on which faults are marked at their line and column.

import { fill, h } from "../dom.js";

export class Editor {
  constructor({ label, value = "", rows = 16, oninput }) {
    this.area = h("textarea", {
      class: "editor-area",
      "aria-label": label,
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      wrap: "off",
      rows,
    });
    this.area.value = value;
    this.gutter = h("div", { class: "editor-gutter", "aria-hidden": "true" });
    this.element = h("div", { class: "editor" }, this.gutter, this.area);
    this.marks = new Map();
    this.area.addEventListener("input", () => {
      this.mark([]);
      oninput?.();
    });
    this.area.addEventListener("scroll", () => (this.gutter.scrollTop = this.area.scrollTop));
    this.number();
  }

  get value() {
    return this.area.value;
  }

  set value(text) {
    this.area.value = text;
    this.mark([]);
  }

  /** Marks the lines of faults: `{ line, message }`. */
  mark(faults) {
    this.marks = new Map(faults.map((fault) => [fault.line, fault]));
    this.area.setAttribute("aria-invalid", faults.length > 0);
    this.number();
  }

  number() {
    const lines = this.area.value.split("\n").length;
    const numbers = Array.from({ length: lines }, (_, index) => {
      const fault = this.marks.get(index + 1);
      return h("span", { class: fault ? "faulty" : "", title: fault?.message }, index + 1);
    });
    fill(this.gutter, numbers);
    this.gutter.scrollTop = this.area.scrollTop;
  }

  /** Puts the caret at a line and column, both from 1. */
  goTo(line, column) {
    const lines = this.area.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    // Columns count characters, the text area counts UTF-16 units.
    const at = before + [...(lines[line - 1] ?? "")].slice(0, Math.max(0, column - 1)).join("").length;
    this.area.focus();
    this.area.setSelectionRange(at, Math.min(at + 1, this.area.value.length));
    const height = this.area.scrollHeight / Math.max(1, lines.length);
    this.area.scrollTop = Math.max(0, (line - 4) * height);
  }
}
