// The switch of automatic remediation, on every page: it says how it stands and asks why before it is turned.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { changed, onChange } from "../live.js";
import { barred, current } from "../session.js";
import { time } from "../time.js";
import { MODES } from "../words.js";
import { ask, isOpen } from "./dialog.js";
import { icon } from "./icons.js";
import { chip } from "./marks.js";
import { toast } from "./toast.js";

const ROUTE = "POST /toggle-auto-remediation";

let position = null;

export function switchControl(signal) {
  const element = h("div", { class: "switch row" });
  // Who is there and how the switch stands come in one answer.
  position = current().switch;
  show(element);
  const refresh = async () => {
    // What was known stays; that the server is gone is said above the page.
    position = await api.get("/switch").catch(() => position);
    if (!signal.aborted) show(element);
  };
  onChange(["switch", "all"], refresh, signal);
  return element;
}

function show(element) {
  const on = position.auto_remediation_enabled;
  const mode = MODES[current()?.mode];
  const why = barred(ROUTE);
  const button = h(
    "button",
    {
      class: `button ${on ? "danger" : "primary"}`,
      type: "button",
      "data-key": "switch",
      onclick: turn,
      title: why ?? "Shortcut: s",
      "aria-disabled": why ? "true" : undefined,
      "aria-keyshortcuts": "s",
    },
    icon(on ? "stop" : "play"),
    on ? "Stop it all" : "Turn on",
  );
  fill(
    element,
    mode && h("span", { class: "mode" }, chip([`${mode[0]} mode`, mode[1]], mode[2])),
    h(
      "span",
      { class: "switch-state row" },
      h("span", { class: `dot ${on ? "good" : "bad"}` }),
      h("span", null, h("span", { class: "switch-what" }, "Auto-remediation "), on ? "on" : "off"),
    ),
    button,
  );
}

/** Asks why, and turns the switch. */
export function turn() {
  if (!position || isOpen()) return;
  const why = barred(ROUTE);
  if (why) {
    toast(why, true);
    return;
  }
  const on = position.auto_remediation_enabled;
  ask({
    title: on ? "Stop all automatic remediation?" : "Turn automatic remediation on?",
    details: on
      ? h(
          "p",
          null,
          "From then on no new remediation begins. Alerts are still received and recorded; what has begun is brought to its end.",
        )
      : h(
          "p",
          null,
          position.at ? `It was turned off by ${position.by}: ${position.why} ` : "It is off by the configuration.",
          position.at && h("span", { class: "muted" }, time(position.at)),
        ),
    hint: on ? "we are migrating the database" : "the migration is over",
    button: on ? "Stop it all" : "Turn it on",
    tone: on ? "danger solid" : "primary",
    act: async (reason) => {
      position = await api.send("/toggle-auto-remediation", { enabled: !on, reason });
      changed("switch", true);
      toast(on ? "Automatic remediation is off." : "Automatic remediation is on.");
    },
  });
}
