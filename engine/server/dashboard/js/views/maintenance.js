// Times in which alerts are left alone: those of the configuration, and those that people add and end here.

import * as api from "../api.js";
import { h } from "../dom.js";
import { changed } from "../live.js";
import { barred, current } from "../session.js";
import { absolute, time } from "../time.js";
import { open } from "../components/dialog.js";
import { chip } from "../components/marks.js";
import { pane } from "../components/pane.js";
import { empty } from "../components/states.js";
import { faultToast, toast } from "../components/toast.js";

const ADD = "POST /maintenance";
const END = "DELETE /maintenance/{id}";
const LASTS = [
  ["15", "15 minutes"],
  ["30", "30 minutes"],
  ["60", "1 hour"],
  ["120", "2 hours"],
  ["240", "4 hours"],
  ["480", "8 hours"],
  ["1440", "1 day"],
  ["10080", "7 days"],
];

export function maintenance(_params, signal) {
  const why = barred(ADD);
  const add = h(
    "button",
    {
      class: "button primary",
      type: "button",
      title: why,
      "aria-disabled": why ? "true" : undefined,
      onclick: () => (why ? toast(why, true) : askForWindow()),
    },
    "Leave alerts alone",
  );
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "row" }, add, why && h("span", { class: "muted small" }, why)),
    pane({
      load: () => api.get("/maintenance"),
      show,
      topics: ["maintenance", "all"],
      signal,
      what: "Loading maintenance windows",
    }),
  );
  if (current().silences) {
    element.append(
      h("h2", { class: "spaced" }, "Silences at Alertmanager"),
      h("p", { class: "muted" }, "Alerts that Alertmanager keeps to itself; nothing is done about them either. An issue's page adds one."),
      pane({
        load: () => api.get("/silences"),
        show: silences,
        topics: ["issue", "all"],
        signal,
        what: "Asking Alertmanager for its silences",
      }),
    );
  }
  return {
    title: "Maintenance",
    lead: "Alerts in a maintenance window are received and recorded; nothing is done about them until it is over.",
    element,
  };
}

function show(windows) {
  if (windows.length === 0)
    return h(
      "div",
      { class: "card" },
      empty("No maintenance window", "Nothing is left alone, now or later."),
    );
  return h("ul", { class: "rules" }, windows.map(one));
}

function silences(list) {
  if (list.length === 0)
    return h("div", { class: "card" }, empty("No silence", "Alertmanager tells of every alert."));
  return h("ul", { class: "rules" }, list.map(silence));
}

function silence({ id, issue_id, matchers, from, until, reason, by }) {
  return h(
    "li",
    { class: "card rule" },
    h(
      "div",
      { class: "rule-head" },
      h("h2", null, issue_id ? h("a", { href: `#/issues/${issue_id}` }, issue_id) : "Made elsewhere"),
      chip(Date.parse(from) <= Date.now() ? ["Quiet now", "info"] : ["Not yet", "plain"]),
      h("span", { class: "aside muted small" }, `by ${by}`),
    ),
    h("p", null, reason),
    h("p", null, matchers.map((matcher) => [h("code", null, matcher), " "])),
    h("p", { class: "small muted" }, `until ${absolute(Date.parse(until))} · `, time(until)),
    issue_id &&
      endButton(
        id,
        "DELETE /issues/{id}/silence",
        `/issues/${issue_id}/silence`,
        "issue",
        "Its alert is heard again.",
      ),
  );
}

function one({ id, matchers, from, until, open: isOpen, reason, by }) {
  return h(
    "li",
    { class: "card rule" },
    h(
      "div",
      { class: "rule-head" },
      h("h2", null, reason || "Maintenance"),
      chip(isOpen ? ["Open now", "warn"] : ["Not open", "plain"]),
      h("span", { class: "aside muted small" }, `by ${by}`),
    ),
    h("p", null, matchers.length ? matchers.map((matcher) => [h("code", null, matcher), " "]) : "All alerts"),
    h(
      "p",
      { class: "small muted" },
      from ? `from ${absolute(Date.parse(from))}` : "every week",
      until && [` until ${absolute(Date.parse(until))} · `, time(until)],
    ),
    id && endButton(id, END, `/maintenance/${encodeURIComponent(id)}`, "maintenance", "The maintenance window is over."),
  );
}

function endButton(id, route, path, topic, done) {
  const why = barred(route);
  const end = async () => {
    if (why) {
      toast(why, true);
      return;
    }
    try {
      await api.send(path, undefined, "DELETE");
      toast(done);
      changed(topic, true);
    } catch (error) {
      faultToast(error);
    }
  };
  return h(
    "div",
    null,
    h(
      "button",
      {
        class: "button",
        type: "button",
        "data-key": `end-${id}`,
        title: why,
        "aria-disabled": why ? "true" : undefined,
        onclick: end,
      },
      "End it",
    ),
  );
}

function askForWindow() {
  open("Leave alerts alone", (heading, close) => {
    const matchers = h("textarea", {
      rows: 3,
      placeholder: 'namespace="shop"\nseverity!="critical"',
      spellcheck: "false",
    });
    const lasts = h(
      "select",
      null,
      LASTS.map(([minutes, label]) => h("option", { value: minutes, selected: minutes === "60" }, label)),
    );
    const reason = h("input", {
      required: true,
      maxlength: 1000,
      placeholder: "the database is being moved",
    });
    const fault = h("p", { class: "tone-bad", role: "alert" });
    const submit = async (event) => {
      event.preventDefault();
      const lines = matchers.value
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
      const until = new Date(Date.now() + Number(lasts.value) * 60_000).toISOString();
      try {
        await api.send("/maintenance", { matchers: lines, until, reason: reason.value.trim() });
        toast("These alerts are left alone now.");
        changed("maintenance", true);
        close();
      } catch (error) {
        fault.textContent = error.help ? `${error.message}. ${error.help}` : error.message;
      }
    };
    return h(
      "form",
      { onsubmit: submit },
      heading,
      h(
        "label",
        { class: "field" },
        h("span", null, "Which alerts: one matcher a line, as Alertmanager writes them; none means all"),
        matchers,
      ),
      h("label", { class: "field" }, h("span", null, "For how long, from now"), lasts),
      h("label", { class: "field" }, h("span", null, "Why? It is kept in the record."), reason),
      fault,
      h(
        "div",
        { class: "buttons" },
        h("button", { class: "button quiet", type: "button", onclick: close }, "Cancel"),
        h("button", { class: "button primary", type: "submit" }, "Leave them alone"),
      ),
    );
  });
}
