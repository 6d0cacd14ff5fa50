// Short messages about what was just done. They are read out, and go away by themselves; faults stay longer.

import { h } from "../dom.js";

const STAYS_MS = 6_000;
const FAULT_STAYS_MS = 15_000;

let place = null;

export function toast(text, isFault = false) {
  if (!place) {
    place = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(place);
  }
  const message = h("div", { class: isFault ? "toast bad" : "toast" }, text);
  place.append(message);
  setTimeout(() => message.remove(), isFault ? FAULT_STAYS_MS : STAYS_MS);
}

export function faultToast(error) {
  toast(error.help ? `${error.message}. ${error.help}` : error.message, true);
}
