// Filters: fields that change what a list shows, and asking the server with them. What a server does not know as a
// parameter (it says so) is filtered here instead.

import * as api from "../api.js";
import { h } from "../dom.js";

const TYPING_MS = 250;

export function filterBar(...fields) {
  return h("div", { class: "filters", role: "search" }, fields);
}

/** A field that acts while somebody types, when they pause. */
function typed(own, label, value, change, placeholder) {
  let waiting;
  const later = (event) => {
    const text = event.target.value.trim();
    clearTimeout(waiting);
    waiting = setTimeout(() => change(text), TYPING_MS);
  };
  return h("input", { ...own, "aria-label": label, value, placeholder, oninput: later });
}

export const field = {
  search(label, value, change, placeholder) {
    const own = { type: "search", class: "search", "aria-keyshortcuts": "/" };
    return typed(own, label, value, change, placeholder);
  },

  text(label, value, change, placeholder) {
    return typed({ type: "text" }, label, value, change, placeholder);
  },

  choice(label, options, value, change) {
    const shown = options.some(([name]) => name === value) ? options : [...options, [value, value]];
    const made = shown.map(([name, text]) => h("option", { value: name, selected: name === value }, text));
    return h("select", { "aria-label": label, onchange: (event) => change(event.target.value) }, made);
  },
};

/** Whether one of the texts holds all words. */
export function matchesText(texts, wanted) {
  const all = texts.filter(Boolean).join(" ").toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

/** Lists with filters; `filters` are tests by the name of their parameter. */
export function serverFilters(path, filters) {
  const unknown = new Set();

  async function ask(address, wanted, limit) {
    if (address) return api.page(address);
    for (;;) {
      const known = Object.fromEntries(Object.entries(wanted).filter(([name]) => !unknown.has(name)));
      try {
        return await api.page(path + api.query({ ...known, limit }));
      } catch (error) {
        const name = error.status === 400 && /parameter "?(\w+)"? is not known/.exec(error.message)?.[1];
        if (!name || !(name in known)) throw error;
        unknown.add(name);
      }
    }
  }

  return {
    async page(address, wanted, limit) {
      const page = await ask(address, wanted, limit);
      const here = Object.entries(wanted).filter(([name, value]) => value && unknown.has(name));
      return {
        ...page,
        items: page.items.filter((item) => here.every(([name, value]) => filters[name](item, value))),
      };
    },
  };
}
