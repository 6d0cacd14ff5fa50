// A part of a page that shows what the server says: loading, then the content, kept up to date; a fault is shown in its
// place, or above the last content, which stays.

import { fill, h } from "../dom.js";
import { onChange } from "../live.js";
import { known } from "../session.js";
import { failed, loading, notice } from "./states.js";

/**
 * `load` asks; `show` makes elements of the answer; `topics` are those whose change asks again; `signal` ends it all. The
 * content is only made anew when the answer is another one.
 */
export function pane({ load, show, topics, signal, what, into = h("div", { class: "pane" }) }) {
  let shown;
  let asking = false;
  let again = false;
  const content = h("div", { class: "stack" });
  const trouble = h("div", { class: "trouble" });
  fill(into, trouble, content);
  fill(content, loading(what));

  async function refresh() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const [answer] = await Promise.all([load(), known()]);
      if (signal.aborted) return;
      trouble.replaceChildren();
      const text = JSON.stringify(answer) ?? "undefined";
      if (text !== shown) {
        shown = text;
        fill(content, show(answer));
      }
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
      if (!error.status && !error.isUnreachable) console.error(error);
      if (shown === undefined) fill(content, failed(error, refresh));
      // That the server is gone is said once, above the page.
      else if (!error.isUnreachable) fill(trouble, notice("warn", "This may be out of date:", error.message));
    } finally {
      asking = false;
      if (again && !signal.aborted) {
        again = false;
        refresh();
      }
    }
  }

  onChange(topics, refresh, signal);
  refresh();
  return into;
}

/** A card with a heading. */
export function card(title, content, { aside, id, level = "h2", padded = true, className = "" } = {}) {
  const heading = h(level, { id }, title);
  return h(
    "section",
    { class: `card ${className}`, "aria-label": title },
    h("header", null, heading, aside && h("span", { class: "aside" }, aside)),
    padded ? h("div", { class: "body" }, content) : content,
  );
}
