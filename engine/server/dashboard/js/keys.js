// Keyboard shortcuts, and the list of them.

import { open, isOpen } from "./components/dialog.js";
import { turn } from "./components/switch.js";
import { h } from "./dom.js";
import { toggleTheme } from "./theme.js";

/** After `g`: where to go. */
const PLACES = {
  o: ["overview", "Overview"],
  i: ["issues", "Issues"],
  r: ["remediations", "Remediations"],
  a: ["approvals", "Approvals"],
  s: ["statistics", "Statistics"],
  u: ["rules", "Rules"],
  m: ["maintenance", "Maintenance"],
  p: ["playground", "Playground"],
};
/** How long `g` waits for its second key. */
const SECOND_KEY_MS = 1_500;

const LIST = [
  ["s", "Stop it all, or turn it on again"],
  ["/", "Search"],
  ["j", "Next row (also ↓)"],
  ["k", "Row before (also ↑)"],
  ["t", "Dark or light"],
  ["?", "This list"],
];

export function listenToKeys() {
  let going = 0;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isOpen() || isTyping(event.target)) return;
    if (Date.now() - going < SECOND_KEY_MS && PLACES[event.key]) {
      going = 0;
      event.preventDefault();
      location.hash = `#/${PLACES[event.key][0]}`;
      return;
    }
    going = event.key === "g" ? Date.now() : 0;
    const act = ACTS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

const ACTS = {
  s: turn,
  t: toggleTheme,
  "?": showKeys,
  "/": () => document.querySelector("main input[type=search]")?.focus(),
};

const isTyping = (element) => element.closest?.("input,textarea,select,[contenteditable]");

export function showKeys() {
  if (isOpen()) return;
  const row = ([key, what]) => [
    h(
      "dt",
      null,
      key.split(" ").map((part) => [h("kbd", null, part), " "]),
    ),
    h("dd", null, what),
  ];
  const places = Object.entries(PLACES).map(([key, [, label]]) => row([`g ${key}`, label]));
  open("Keyboard", (heading, close) =>
    h(
      "div",
      { class: "inside" },
      heading,
      h("dl", { class: "facts keys" }, LIST.map(row), places),
      h(
        "div",
        { class: "buttons" },
        h("button", { class: "button", type: "button", onclick: close }, "Close"),
      ),
    ),
  );
}
