// Plans that wait for a person, and those that were answered.

import * as api from "../api.js";
import { h } from "../dom.js";
import { setQuery } from "../router.js";
import { approvalCard } from "../components/approval.js";
import { pane } from "../components/pane.js";
import { empty } from "../components/states.js";

export function approvals(params, signal) {
  const all = params.query.get("all") === "true";
  const one = params.name;
  const load = async () => {
    const list = one
      ? [await api.get(`/approvals/${encodeURIComponent(one)}`)]
      : await api.get(`/approvals${all ? "?all=true" : ""}`);
    // The issue says what its alert is like; without it the plan still stands for itself.
    const about = new Map();
    await Promise.all(
      [...new Set(list.map(({ issue_id }) => issue_id))]
        .slice(0, 40)
        .map(async (id) => about.set(id, (await api.get(`/issues/${id}`).catch(() => null))?.issue)),
    );
    return list.map((approval) => ({ approval, issue: about.get(approval.issue_id) }));
  };
  const show = (list) => {
    if (list.length === 0) {
      return h(
        "div",
        { class: "card" },
        all
          ? empty("Nobody was ever asked", "Plans that need a person appear here.")
          : empty(
              "Nothing waits for you",
              "When a plan needs a person, it appears here with what it would change.",
            ),
      );
    }
    return list.map(({ approval, issue }) => approvalCard(approval, issue));
  };
  const button = (label, value) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(all === value),
        onclick: () => setQuery({ all: value ? "true" : "" }, true),
      },
      label,
    );
  const element = h(
    "div",
    { class: "stack" },
    !one &&
      h(
        "div",
        { class: "row" },
        h(
          "div",
          { class: "segments", role: "group", "aria-label": "Which approvals" },
          button("Waiting", false),
          button("All", true),
        ),
      ),
    pane({ load, show, topics: ["approval", "issue", "all"], signal, what: "Loading approvals" }),
  );
  return { title: "Approvals", back: one && ["#/approvals", "Approvals"], element };
}
