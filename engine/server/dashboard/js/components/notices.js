// What keeps selfheal from healing, above every page: no connection, the switch, the journal, the ledger, refused rules,
// storms, the hourly limit.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { lastReached, onChange, onConnection } from "../live.js";
import { known } from "../session.js";
import { absolute, clock } from "../time.js";
import { count } from "../words.js";
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
  const show = (ready, standing) => {
    if (signal.aborted || !ready) return;
    fill(parts, problems(ready), standing && [off(standing), standing.storms.filter(isNow).map(storm), limit(standing)]);
    place();
  };
  const refresh = async () => {
    const asked = [api.ready(), api.get("/switch")].map((answer) => answer.catch(() => null));
    show(...(await Promise.all(asked)));
  };
  // What holds everything back comes with who is there.
  Promise.all([api.ready().catch(() => null), known()]).then(([ready, session]) => show(ready, session.switch));
  onChange(["rules", "switch", "all"], refresh, signal);
  return element;
}

function off({ auto_remediation_enabled, by, why, at }) {
  if (auto_remediation_enabled) return null;
  const who = at ? `${by}: ${why} (${absolute(Date.parse(at))})` : "It is off by the configuration.";
  return notice("warn", "Automatic remediation is off.", who);
}

/** Whether there is a storm; a person's word holds longer than most of them. */
const isNow = ({ new_issues, most }) => new_issues > most;

/** A rule that is held, or that a person lets go on. */
function storm({ rule, held, new_issues, most, released_until }) {
  const see = h("a", { href: `#/rules/${encodeURIComponent(rule)}` }, "See the rule");
  if (!held)
    return notice(
      "info",
      `${rule} goes on despite a storm.`,
      `A person lets it, until ${absolute(Date.parse(released_until))}.`,
      see,
    );
  return notice(
    "warn",
    `${rule} is held: a storm of new issues.`,
    `${new_issues.toLocaleString()} within the last minute, more than ${most}. Nothing is done about them until it is over, or a person lets the rule go on.`,
    see,
  );
}

function limit({ hourly_limit }) {
  if (!hourly_limit) return null;
  return notice(
    "warn",
    "No remediation begins for now: the hourly limit is reached.",
    `${count(hourly_limit.most, "remediation")} began within the last hour. The next may begin at ${absolute(Date.parse(hourly_limit.until))}.`,
  );
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
