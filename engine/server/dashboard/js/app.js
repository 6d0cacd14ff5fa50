// Starts the page: who is there, the frame, the view that the address names, and what keeps it all up to date.

import * as api from "./api.js";
import { icon } from "./components/icons.js";
import { notices } from "./components/notices.js";
import { empty, failed } from "./components/states.js";
import { switchControl } from "./components/switch.js";
import { fill, h } from "./dom.js";
import { listenToKeys, showKeys } from "./keys.js";
import * as live from "./live.js";
import { fetchView, read, route } from "./router.js";
import * as session from "./session.js";
import { toggleTheme } from "./theme.js";
import { tick } from "./time.js";
import { overview } from "./views/overview.js";
import { signIn } from "./views/sign_in.js";

// What most people see first is part of the page; the other views are fetched when somebody is about to go there.
route("overview", () => ({ overview }), "overview");
route("issues", () => import("./views/issues.js"), "issues");
route("issues/", () => import("./views/issue.js"), "issue");
route("remediations", () => import("./views/remediations.js"), "remediations");
route("approvals", () => import("./views/approvals.js"), "approvals");
route("statistics", () => import("./views/statistics.js"), "statistics");
route("rules", () => import("./views/rules.js"), "rules");
route("maintenance", () => import("./views/maintenance.js"), "maintenance");
route("playground", () => import("./views/playground.js"), "playground");

const NAV = [
  "overview",
  "issues",
  "remediations",
  "approvals",
  "statistics",
  "rules",
  "maintenance",
  "playground",
];
/** Views that need what not every server has. */
const NEEDS = { maintenance: "GET /maintenance" };
const CONNECTIONS = {
  connecting: ["", "Connecting"],
  live: ["good", "Live"],
  polling: ["good", "Every 5 s"],
  disconnected: ["bad", "Disconnected"],
};

const root = document.querySelector("#app");
let frame = null;
let shown = null;

function begin(answer) {
  session.begin(answer);
  frame = new AbortController();
  show();
  live.start();
  navigate();
}

/** The frame around every view. */
function show() {
  const waiting = h("span", { class: "count", hidden: true });
  const link = (name) =>
    h(
      "a",
      {
        href: `#/${name}`,
        "data-nav": name,
        onpointerenter: () => fetchView(name),
        onfocus: () => fetchView(name),
      },
      icon(name),
      h("span", null, name[0].toUpperCase() + name.slice(1)),
      name === "approvals" && waiting,
    );
  const dot = h("span", { class: "dot" });
  const text = h("span");
  live.onConnection(({ kind }) => {
    dot.className = `dot ${CONNECTIONS[kind][0]}`;
    text.textContent = CONNECTIONS[kind][1];
  }, frame.signal);
  const me = session.current();
  const account = session.token()
    ? h(
        "button",
        {
          class: "button quiet",
          type: "button",
          onclick: signOut,
          title: `Signed in as ${me.name} (${me.role})`,
        },
        icon("person"),
        h("span", { class: "cut" }, `Sign out ${me.name}`),
      )
    : h(
        "div",
        { class: "connection", title: "No tokens are configured: whoever is on this machine is an admin" },
        icon("person"),
        `${me.name} · ${me.role}`,
      );
  fill(
    root,
    h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to the content"),
    h(
      "div",
      { class: "frame" },
      h(
        "header",
        { class: "side" },
        h("a", { class: "brand", href: "#/overview" }, icon("remediations"), "selfheal"),
        h(
          "nav",
          { class: "nav", "aria-label": "Views" },
          NAV.filter((name) => !NEEDS[name] || session.has(NEEDS[name])).map(link),
        ),
        h(
          "div",
          { class: "side-foot" },
          h("div", { class: "connection", role: "status" }, dot, text),
          account,
          h(
            "button",
            { class: "button quiet", type: "button", onclick: toggleTheme },
            icon("theme"),
            "Dark or light",
          ),
          h(
            "button",
            { class: "button quiet hint", type: "button", onclick: showKeys },
            icon("keys"),
            "Keyboard ",
            h("kbd", null, "?"),
          ),
        ),
      ),
      h(
        "section",
        { class: "bar", "aria-label": "Switch" },
        h("div", { class: "where" }),
        switchControl(frame.signal),
      ),
      h("main", { class: "page", id: "main", tabindex: -1 }, notices(frame.signal), h("div", { id: "view" })),
    ),
  );
  const countWaiting = async () => {
    const list = await api.get("/approvals").catch(() => null);
    if (!list || frame.signal.aborted) return;
    waiting.hidden = list.length === 0;
    waiting.textContent = list.length;
    waiting.setAttribute("aria-label", `, ${list.length} waiting`);
  };
  live.onChange(["approval", "all"], countWaiting, frame.signal);
  countWaiting();
}

function skip(event) {
  event.preventDefault();
  document.querySelector("#main").focus();
}

/** Shows what the address names. */
async function navigate() {
  if (!frame) return;
  const first = shown === null;
  shown?.abort();
  shown = new AbortController();
  const { signal } = shown;
  const { section, params, view } = read();
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === section) {
      link.setAttribute("aria-current", "page");
      // On a phone the views stand in a row that is wider than the window.
      link.scrollIntoView({ block: "nearest", inline: "center" });
    } else link.removeAttribute("aria-current");
  }
  let made;
  try {
    made = view ? (await view())(params, signal) : lost();
  } catch (error) {
    console.warn(error);
    made = {
      title: "Not loaded",
      element: h(
        "div",
        { class: "card" },
        failed({ message: "This view could not be fetched", help: "selfheal may be gone." }, navigate),
      ),
    };
  }
  if (signal.aborted) return;
  document.title = `${made.title} · selfheal`;
  const heading = h("h1", { tabindex: -1 }, made.heading ?? made.title);
  fill(
    document.querySelector("#view"),
    h(
      "div",
      { class: "heading" },
      made.back && h("a", { class: "back small", href: made.back[0] }, `‹ ${made.back[1]}`),
      heading,
      made.lead && h("p", { class: "lead" }, made.lead),
    ),
    made.element,
  );
  document.querySelector("#view").dataset.at = location.hash.split("?")[0];
  scrollTo(0, 0);
  // Screen readers hear where they are; on the first page they begin at its beginning anyway.
  if (!first) heading.focus({ preventScroll: true });
}

function lost() {
  return {
    title: "Not found",
    element: h(
      "div",
      { class: "card" },
      empty(
        "There is no such page",
        "The address may be of another version.",
        h("a", { class: "button", href: "#/overview" }, "Overview"),
      ),
    ),
  };
}

function end() {
  live.stop();
  shown?.abort();
  frame?.abort();
  [frame, shown] = [null, null];
  session.end();
}

function signOut() {
  session.keepToken(null);
  end();
  fill(root, h("main", { class: "alone" }, signIn(begin)));
}

api.events.addEventListener("unauthorized", () => {
  if (!frame) return;
  end();
  session.keepToken(null);
  fill(root, h("main", { class: "alone" }, signIn(begin, "Your token is no longer valid: sign in again.")));
});

async function start() {
  try {
    begin(await api.get("/session"));
  } catch (error) {
    if (error.status === 401)
      fill(
        root,
        h(
          "main",
          { class: "alone" },
          signIn(begin, session.token() ? "Your token is no longer valid: sign in again." : ""),
        ),
      );
    else fill(root, h("main", { class: "alone" }, h("div", { class: "card" }, failed(error, start))));
  }
}

addEventListener("hashchange", navigate);
listenToKeys();
tick();
start();
