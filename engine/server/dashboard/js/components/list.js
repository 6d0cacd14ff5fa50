// A long list that stays fast: only the rows near the window are in the page; pages of the server are asked for as they are
// scrolled to. Rows have one height, and are a table to screen readers.

import { fill, h } from "../dom.js";

/** Rows kept above and below what is seen. */
const MARGIN_ROWS = 12;

/**
 * `columns` are headings; `rowHeight` gives a row's height in px; `row(item)` gives the cells of a row; `key(item)` its
 * identity; `more()` is called when the end comes near.
 */
export class LongList {
  constructor({ label, columns, className, rowHeight, row, key, more, signal }) {
    Object.assign(this, { row, key, more, rowHeight });
    this.items = [];
    this.drawn = new Map();
    this.rows = h("div", { class: "list-rows", role: "rowgroup" });
    const head = h(
      "div",
      { role: "rowgroup", class: "list-head" },
      h(
        "div",
        { role: "row", class: "list-row" },
        columns.map((name) => h("div", { role: "columnheader" }, name)),
      ),
    );
    this.element = h(
      "div",
      { class: `list ${className}`, role: "table", "aria-label": label },
      head,
      this.rows,
    );
    this.element.addEventListener("keydown", (event) => this.move(event));
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.draw();
      });
    };
    addEventListener("scroll", later, { passive: true, signal });
    addEventListener(
      "resize",
      () => {
        this.drawn.clear();
        this.rows.replaceChildren();
        later();
      },
      { signal },
    );
  }

  /** Replaces the items. */
  show(items, total = -1) {
    this.items = items;
    this.element.setAttribute("aria-rowcount", total);
    this.draw();
  }

  draw() {
    const height = this.rowHeight();
    this.rows.style.height = `${this.items.length * height}px`;
    const top = this.rows.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - MARGIN_ROWS);
    const last = Math.min(this.items.length, Math.ceil((innerHeight - top) / height) + MARGIN_ROWS);
    const wanted = new Set();
    for (let index = first; index < last; index += 1) {
      const item = this.items[index];
      const key = this.key(item);
      wanted.add(key);
      const text = JSON.stringify(item);
      let drawn = this.drawn.get(key);
      if (!drawn) {
        drawn = { element: h("div", { role: "row", class: "list-row", "data-key": key }), text: null };
        this.drawn.set(key, drawn);
        this.rows.append(drawn.element);
      }
      if (drawn.text !== text) {
        drawn.text = text;
        fill(drawn.element, this.row(item));
      }
      drawn.element.style.top = `${index * height}px`;
      drawn.element.setAttribute("aria-rowindex", index + 2);
    }
    for (const [key, drawn] of this.drawn) {
      // What has the focus stays, or the keyboard would lose its place.
      if (!wanted.has(key) && !drawn.element.contains(document.activeElement)) {
        drawn.element.remove();
        this.drawn.delete(key);
      }
    }
    if (last > this.items.length - 3 * MARGIN_ROWS) this.more();
  }

  /** Arrows, and j and k, go from row to row. */
  move(event) {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = document.activeElement?.closest(".list-row");
    const index = this.items.findIndex((item) => this.key(item) === row?.dataset.key);
    const next = this.items[index + step];
    if (index < 0 || !next) return;
    event.preventDefault();
    const height = this.rowHeight();
    const top = this.rows.getBoundingClientRect().top + (index + step) * height;
    if (top < 120) scrollBy(0, top - 120);
    else if (top + height > innerHeight - 20) scrollBy(0, top + height - innerHeight + 20);
    this.draw();
    this.drawn.get(this.key(next))?.element.querySelector("a,button")?.focus({ preventScroll: true });
  }
}
