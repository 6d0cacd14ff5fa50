// What is wrong with selfheal itself, above every page: no connection, the switch, the journal, the ledger, refused rules.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { lastReached, onChange, onConnection } from "../live.js";
import { absolute, clock } from "../time.js";
import { notice } from "./states.js";

export function notices(signal) {
  const gone = h("div", { role: "alert" });
  const parts = h("div", { class: "stack", role: "status" });
  const element = h("div", { class: "notices" });
  const place = () => fill(element, gone.childElementCount > 0 && gone, parts.childElementCount > 0 && parts);
  onConnection(({ kind }) => {
    const since = lastReached();
    const text = `What you see is from ${clock(since).slice(0, 8)} UTC (${absolute(since)}). It is asked again every few seconds.`;
    fill(gone, kind === "disconnected" && notice("bad", "selfheal does not answer.", text));
    place();
  }, signal);
  const refresh = async () => {
    const [ready, position] = await Promise.all([
      api.ready().catch(() => null),
      api.get("/switch").catch(() => null),
    ]);
    if (signal.aborted || !ready) return;
    fill(parts, problems(ready), position && !position.auto_remediation_enabled && off(position));
    place();
  };
  onChange(["rules", "switch", "all"], refresh, signal);
  refresh();
  return element;
}

function off({ by, why, at }) {
  const who = at ? `${by}: ${why} (${absolute(Date.parse(at))})` : "It is off by the configuration.";
  return notice("warn", "Automatic remediation is off.", who);
}

function problems({ status, journal, ledger, rules, reasons }) {
  return [
    journal?.ok === false &&
      notice("bad", "The journal cannot be written: nothing is received or done.", journal.why),
    ledger?.ok === false &&
      notice("bad", "The ledger does not answer: alerts are kept, nothing is done.", ledger.why),
    rules?.ok === false &&
      notice(
        "warn",
        rules.loaded > 0
          ? "The newest rules are refused; the last good ones stay in use."
          : "No rules are in use: no alert is treated.",
        null,
        h("a", { href: "#/rules" }, "See why"),
      ),
    status !== "ready" &&
      journal?.ok &&
      ledger?.ok &&
      rules?.ok &&
      notice("warn", "selfheal is not fully ready.", reasons?.join("; ")),
  ];
}
