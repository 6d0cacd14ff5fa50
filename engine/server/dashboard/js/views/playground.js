// The playground: an alert and a rule, and what selfheal would do, through the dry-run. Nothing is changed anywhere.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { barred } from "../session.js";
import { diagnostics } from "../components/diagnostics.js";
import { answers } from "../components/dry_run.js";
import { Editor } from "../components/editor.js";
import { jsonFault } from "../components/json_fault.js";
import { card } from "../components/pane.js";
import { empty, failed, loading, notice } from "../components/states.js";
import { NEW_RULE, SAMPLES, notificationOf, sampleFor, sampleOf } from "./samples.js";

const RECENT = 20;

export function playground(params, signal) {
  const why = barred("POST /dry-run");
  const result = h("div", {
    class: "stack",
    role: "region",
    "aria-label": "What would be done",
    "aria-live": "polite",
  });
  fill(
    result,
    h(
      "div",
      { class: "card" },
      empty(
        "What would be done?",
        "Take a sample or paste an alert, then run it. Nothing is changed anywhere.",
      ),
    ),
  );
  let typed = false;
  const alert = new Editor({
    label: "Alert, as JSON",
    rows: 15,
    value: pretty(SAMPLES[0][1]()),
    oninput: () => (typed = true),
  });
  const rule = new Editor({ label: "Rule", rows: 22 });
  const name = h("input", { "aria-label": "The rule's name", value: "", placeholder: "my_rule" });
  const choice = h("select", { "aria-label": "Which rule" });
  const samples = h("select", { "aria-label": "Sample alerts" });
  const edited = h(
    "div",
    { class: "stack", hidden: true },
    h("label", { class: "field" }, h("span", null, "Name"), name),
    rule.element,
  );
  const faults = h("div", { role: "alert" });

  choice.addEventListener("change", () => choose(choice.value));
  async function choose(chosen) {
    fill(faults);
    edited.hidden = chosen === "";
    if (chosen === "") return;
    if (chosen === "+") {
      [name.value, name.readOnly, rule.value] = ["my_rule", false, NEW_RULE];
      return;
    }
    const found = await api.get(`/rules/${encodeURIComponent(chosen)}`).catch(() => null);
    if (!found || signal.aborted) return;
    [name.value, name.readOnly, rule.value] = [chosen, true, found.text];
    const fitting = sampleFor(found.matchers);
    if (fitting && !typed) alert.value = pretty(fitting);
  }

  const known = new Map();
  samples.addEventListener("change", () => {
    const make = known.get(samples.value);
    if (make) alert.value = pretty(make());
    samples.value = "";
  });
  fillSamples(samples, known, signal);
  fillRules(choice, params.query.get("rule"), choose, signal);

  async function run() {
    fill(faults);
    let body;
    try {
      body = notificationOf(JSON.parse(alert.value));
    } catch (error) {
      wrongJson(error, alert, faults);
      return;
    }
    if (!edited.hidden) body.rule = { name: name.value.trim(), text: rule.value };
    button.disabled = true;
    fill(result, h("div", { class: "card" }, loading("Asking the rules")));
    try {
      const answer = await api.send("/dry-run", body);
      if (!signal.aborted) fill(result, answers(answer));
    } catch (error) {
      if (signal.aborted) return;
      fill(
        result,
        h("div", { class: "card" }, empty("No answer", "Correct what is marked, then run it again.")),
      );
      showFault(error, rule, faults);
    } finally {
      button.disabled = Boolean(why);
    }
  }

  const button = h(
    "button",
    {
      class: "button primary",
      type: "button",
      onclick: run,
      disabled: Boolean(why),
      "aria-keyshortcuts": "Control+Enter",
    },
    "Dry-run",
  );
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !why) {
      event.preventDefault();
      run();
    }
  };
  const element = h(
    "div",
    { class: "stack" },
    why && notice("warn", "You can look, but not try:", why),
    h(
      "div",
      { class: "row" },
      button,
      !why &&
        h(
          "span",
          { class: "muted small" },
          h("kbd", null, "Ctrl"),
          " ",
          h("kbd", null, "Enter"),
          " anywhere below",
        ),
    ),
    faults,
    h(
      "div",
      { class: "halves", onkeydown: keys },
      h(
        "div",
        { class: "stack" },
        card("Alert", h("div", { class: "stack" }, h("div", { class: "row" }, samples), alert.element)),
        card("Rule", h("div", { class: "stack" }, h("div", { class: "row" }, choice), edited)),
      ),
      result,
    ),
  );
  return {
    title: "Playground",
    lead: "What would selfheal do about this alert, and why? The same code and the same plan hash as the real thing; nothing is written to any target.",
    element,
  };
}

const pretty = (value) => JSON.stringify(value, null, 2);

async function fillSamples(select, known, signal) {
  const option = (label, make) => {
    known.set(label, make);
    return h("option", { value: label }, label);
  };
  fill(
    select,
    h("option", { value: "" }, "Take a sample …"),
    h(
      "optgroup",
      { label: "Samples" },
      SAMPLES.map(([label, make]) => option(label, make)),
    ),
  );
  const page = await api.page(`/issues?limit=${RECENT}`).catch(() => null);
  if (!page || signal.aborted || page.items.length === 0) return;
  select.append(
    h(
      "optgroup",
      { label: "Alerts of real issues" },
      page.items.map((issue) =>
        option(`${issue.type} · ${issue.resource} (${issue.id})`, () => sampleOf(issue)),
      ),
    ),
  );
}

async function fillRules(select, wanted, choose, signal) {
  fill(select, h("option", { value: "" }, "The rules in use"));
  const answer = await api.get("/rules").catch(() => ({ rules: [] }));
  if (signal.aborted) return;
  select.append(
    h(
      "optgroup",
      { label: "Edit one of them" },
      answer.rules.map(({ name }) => h("option", { value: name }, name)),
    ),
    h("option", { value: "+" }, "Write a new one"),
  );
  if (wanted && answer.rules.some(({ name }) => name === wanted)) {
    select.value = wanted;
    choose(wanted);
  }
}

/** Marks where the JSON breaks off. */
function wrongJson(error, editor, faults) {
  const place = jsonFault(editor.value);
  if (place) editor.mark([{ line: place.line, message: error.message }]);
  const go =
    place &&
    h(
      "button",
      { class: "button quiet", type: "button", onclick: () => editor.goTo(place.line, place.column) },
      `Go to line ${place.line}, column ${place.column}`,
    );
  fill(faults, notice("bad", place ? "The alert is not JSON." : "This is no alert.", error.message, go));
}

function showFault(error, editor, faults) {
  const list = error.body?.diagnostics;
  if (!list) {
    fill(faults, failed(error));
    return;
  }
  editor.mark(list.filter(({ line }) => line > 0));
  fill(
    faults,
    card(
      "The rule cannot be used",
      diagnostics(list, (line, column) => editor.goTo(line, column)),
    ),
  );
}
