// The rules in use: generation, what keeps newer texts out, how each does; one rule with its text.

import * as api from "../api.js";
import { h } from "../dom.js";
import { changed } from "../live.js";
import { barred } from "../session.js";
import { time } from "../time.js";
import { count, MODES } from "../words.js";
import { ask } from "../components/dialog.js";
import { diagnostics } from "../components/diagnostics.js";
import { chip, facts, hash } from "../components/marks.js";
import { card, pane } from "../components/pane.js";
import { empty, notice } from "../components/states.js";
import { toast } from "../components/toast.js";

const RELEASE = "POST /rules/{name}/release";

export function rules(params, signal) {
  if (params.name) return one(params.name, signal);
  return {
    title: "Rules",
    element: pane({ load: () => api.get("/rules"), show: all, topics: ["rules", "issue", "all"], signal, what: "Loading rules" }),
  };
}

function all({ generation, since, hash: text, refusal, rules }) {
  return [
    h(
      "p",
      { class: "muted" },
      `Generation ${generation}, in use since `,
      time(since),
      ", ",
      hash(text),
      ` · ${rules.length} rules`,
    ),
    refusal && refused(refusal),
    rules.length === 0
      ? h(
          "div",
          { class: "card" },
          empty(
            "No rules are loaded",
            "Put a *.rhai file into the rules directory; it is used as soon as it compiles.",
          ),
        )
      : h(
          "ul",
          { class: "rules" },
          rules.map(item),
        ),
  ];
}

function refused({ at, diagnostics: list }) {
  return h(
    "section",
    { class: "card refusal", "aria-label": "Refused rules" },
    h(
      "header",
      null,
      h("h2", null, "The newest texts are refused; those below stay in use"),
      h("span", { class: "aside" }, "since ", time(at)),
    ),
    h("div", { class: "body" }, diagnostics(list)),
  );
}

function item(rule) {
  return h(
    "li",
    { class: "card rule" },
    h(
      "div",
      { class: "rule-head" },
      h(
        "h2",
        null,
        h(
          "a",
          { href: `#/rules/${encodeURIComponent(rule.name)}`, "data-key": `rule-${rule.name}` },
          rule.name,
        ),
      ),
      chip(MODES[rule.mode] ?? [rule.mode], MODES[rule.mode]?.[2]),
      stormChip(rule.storm),
      rule.warnings.length > 0 &&
        chip([`${rule.warnings.length} warning${rule.warnings.length === 1 ? "" : "s"}`, "warn"]),
      h(
        "span",
        { class: "aside muted small" },
        "last fired ",
        rule.last_fired_at
          ? h("a", { href: `#/issues/${rule.last_issue}` }, time(rule.last_fired_at))
          : "not in 30 days",
      ),
    ),
    h("p", { class: "muted" }, rule.doc),
    h("div", { class: "row small muted" }, h("code", null, rule.matchers.join("  ")), meta(rule)),
    success(rule.success),
  );
}

function meta({ priority, delay, cooldown, component, issues_since_start }) {
  const texts = [
    `priority ${priority}`,
    delay !== "0s" && `waits ${delay}`,
    `cooldown ${cooldown}`,
    component,
    `${count(issues_since_start, "issue")} since start`,
  ];
  return h("span", null, texts.filter(Boolean).join(" · "));
}

function success(list) {
  if (list.length === 0) return null;
  return h(
    "ul",
    { class: "rates" },
    list.map(({ action, successes, failures }) => {
      const share = Math.round((successes / Math.max(1, successes + failures)) * 100);
      return h(
        "li",
        null,
        h("code", null, action),
        h("meter", {
          min: 0,
          max: 100,
          low: 50,
          high: 80,
          optimum: 100,
          value: share,
          "aria-label": `${action}: ${share} % helped`,
        }),
        h("span", { class: "small" }, `${share} % of ${successes + failures}`),
      );
    }),
  );
}

function one(name, signal) {
  const path = `/rules/${encodeURIComponent(name)}`;
  const load = async () => {
    const [rule, recent] = await Promise.all([
      api.get(path),
      api.page(`/issues${api.query({ rule: name, limit: 10 })}`),
    ]);
    return {
      rule,
      recent: recent.items.map(({ id, type, resource, detected_at }) => ({
        id,
        type,
        resource,
        detected_at,
      })),
    };
  };
  return {
    title: name,
    back: ["#/rules", "Rules"],
    element: pane({ load, show: whole, topics: ["rules", "all"], signal, what: "Loading the rule" }),
  };
}

function whole({ rule, recent }) {
  return [
    h("p", { class: "muted" }, rule.doc),
    h(
      "div",
      { class: "row" },
      h(
        "a",
        { class: "button", href: `#/playground?rule=${encodeURIComponent(rule.name)}` },
        "Try it in the playground",
      ),
      rule.storm?.held && release(rule.name),
    ),
    storm(rule.storm),
    h(
      "div",
      { class: "columns" },
      h(
        "div",
        { class: "stack" },
        rule.warnings.length > 0 && card("Warnings", diagnostics(rule.warnings)),
        card("Text", h("pre", { class: "rule-text", tabindex: 0 }, numbered(rule.text)), {
          padded: false,
          aside: h("code", null, rule.path),
        }),
      ),
      h(
        "div",
        { class: "stack" },
        card(
          "What it is",
          facts([
            ["Storm", stormChip(rule.storm)],
            ["Mode", chip(MODES[rule.mode] ?? [rule.mode], MODES[rule.mode]?.[2])],
            ["Matches", rule.matchers.map((matcher) => h("div", null, h("code", null, matcher)))],
            ["Priority", rule.priority],
            ["Decides after", rule.delay],
            ["Cooldown", rule.cooldown],
            ["Component", rule.component],
            ["Issues since start", String(rule.issues_since_start)],
          ]),
        ),
        rule.success.length > 0 && card("How often it helped", success(rule.success)),
        card(
          "Its latest issues",
          recent.length
            ? h(
                "ul",
                { class: "stack" },
                recent.map((issue) =>
                  h(
                    "li",
                    { class: "row" },
                    h("a", { href: `#/issues/${issue.id}` }, issue.resource),
                    h("span", { class: "muted small" }, time(issue.detected_at)),
                  ),
                ),
              )
            : h("p", { class: "muted" }, "It has never fired."),
        ),
      ),
    ),
  ];
}

function numbered(text) {
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line, index) => [
      h("span", { class: "line-number", "aria-hidden": "true" }, String(index + 1).padStart(4)),
      `  ${line}\n`,
    ]);
}

/** Whether a storm of new issues holds the rule. */
function stormChip(storm) {
  if (!storm) return null;
  return storm.held ? chip(["Held: a storm", "bad"]) : chip(["Goes on in a storm", "warn"]);
}

function storm(storm) {
  if (!storm) return null;
  const { held, new_issues, most, since, released_until } = storm;
  const text = `${new_issues.toLocaleString()} new issues within the last minute; more than ${most} are a storm. `;
  return held
    ? notice("warn", "Held: a storm of new issues.", [
        text,
        "Its plans wait until it is over, or a person lets it go on.",
        since && [" People were told ", time(since), "."],
      ])
    : notice("info", "Goes on despite a storm.", [text, "A person lets it, for another ", time(released_until, "left"), "."]);
}

function release(name) {
  const why = barred(RELEASE);
  const go = () =>
    ask({
      title: `Let ${name} go on in its storm?`,
      details: h(
        "p",
        null,
        "A rule with very many new issues is held. Let go on, it treats them for an hour, however many come; every other guard is asked as ever.",
      ),
      button: "Let it go on for an hour",
      hint: "seen, all of them are real",
      act: async (reason) => {
        await api.send(`/rules/${encodeURIComponent(name)}/release`, { reason });
        changed("rules", true);
        toast(`${name} goes on for an hour.`);
      },
    });
  return h(
    "button",
    {
      class: "button",
      type: "button",
      title: why,
      "aria-disabled": why ? "true" : undefined,
      onclick: () => (why ? toast(why, true) : go()),
    },
    "Let it go on",
  );
}
