// What is shown where there is nothing (yet), and where something is wrong.

import { h } from "../dom.js";

export function loading(what = "Loading") {
  const lines = Array.from({ length: 6 }, () => h("i"));
  return h("div", { class: "skeleton", role: "status" }, h("span", { class: "unseen" }, `${what} …`), lines);
}

export function empty(title, text, action) {
  return h("div", { class: "state" }, h("strong", null, title), text && h("p", null, text), action);
}

export function failed(error, retry) {
  const again = retry && h("button", { class: "button", type: "button", onclick: retry }, "Try again");
  return h(
    "div",
    { class: "state", role: "alert" },
    h("strong", null, error.message),
    error.help && h("p", null, error.help),
    again,
  );
}

/** A line that says something is off: `tone` is bad, warn, good, info or plain. */
export function notice(tone, title, text, action) {
  return h(
    "div",
    { class: `notice ${tone}` },
    title && h("strong", null, title),
    text && h("span", null, text),
    action,
  );
}
