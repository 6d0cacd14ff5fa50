// Starts the page: who is there, the frame, the view that the address names, and what keeps it all up to date.

import * as api from "./api.js";
import { icon } from "./components/icons.js";
import { notices } from "./components/notices.js";
import { empty, failed } from "./components/states.js";
import { switchControl } from "./components/switch.js";
import { fill, h } from "./dom.js";
import { listenToKeys, showKeys } from "./keys.js";
import * as live from "./live.js";
import { read, route } from "./router.js";
import * as session from "./session.js";
import { toggleTheme } from "./theme.js";
import { tick } from "./time.js";
import { approvals } from "./views/approvals.js";
import { issue } from "./views/issue.js";
import { issues } from "./views/issues.js";
import { maintenance } from "./views/maintenance.js";
import { overview } from "./views/overview.js";
import { playground } from "./views/playground.js";
import { remediations } from "./views/remediations.js";
import { rules } from "./views/rules.js";
import { signIn } from "./views/sign_in.js";
import { statistics } from "./views/statistics.js";

/** A view that must know who is there to be made at all. */
const forSomebody =
  (view) =>
  async (...about) => {
    await session.known();
    return view(...about);
  };

route("overview", overview);
route("issues", issues);
route("issues/", issue);
route("remediations", remediations);
route("approvals", approvals);
route("statistics", statistics);
route("rules", rules);
route("maintenance", forSomebody(maintenance));
route("playground", forSomebody(playground));

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
const CONNECTIONS = {
  connecting: ["", "Connecting"],
  live: ["good", "Live"],
  polling: ["good", "Every 5 s"],
  disconnected: ["bad", "Disconnected"],
};

const root = document.querySelector("#app");
let frame = null;
let shown = null;

/**
 * Asks who is there and, at the same time, for all that is shown then: whoever is far away waits once. `asked` is the
 * answer of `/session`, where somebody has signed in.
 */
async function begin(asked = api.get("/session")) {
  const own = new AbortController();
  frame = own;
  const above = notices(own.signal);
  const waiting = waitingCount(own.signal);
  navigate();
  let answer;
  try {
    answer = await asked;
  } catch (error) {
    if (own.signal.aborted) return;
    end();
    fill(root, h("main", { class: "alone" }, refused(error)));
    return;
  }
  if (own.signal.aborted) return;
  session.begin(answer);
  show(above, waiting);
  live.start();
}

function refused(error) {
  if (error.status === 401)
    return signIn(begin, session.token() ? "Your token is no longer valid: sign in again." : "");
  return h("div", { class: "card" }, failed(error, () => begin()));
}

/** How many plans wait for a person: where the views are named and, on a phone, in the bar. */
function waitingCount(signal) {
  const inNav = h("span", { class: "count", hidden: true });
  const inBar = h("a", { class: "chip warn waiting", href: "#/approvals", hidden: true });
  const refresh = async () => {
    const list = await api.get("/approvals").catch(() => null);
    if (!list || signal.aborted) return;
    inNav.hidden = inBar.hidden = list.length === 0;
    inNav.textContent = list.length;
    inNav.setAttribute("aria-label", `, ${list.length} waiting`);
    inBar.textContent = list.length === 1 ? "1 waits" : `${list.length} wait`;
    inBar.setAttribute("aria-label", `${inBar.textContent} for approval`);
  };
  live.onChange(["approval", "all"], refresh, signal);
  refresh();
  return { inNav, inBar };
}

/** The frame around every view. */
function show(above, waiting) {
  const link = (name) =>
    h(
      "a",
      { href: `#/${name}`, "data-nav": name },
      icon(name),
      h("span", null, name[0].toUpperCase() + name.slice(1)),
      name === "approvals" && waiting.inNav,
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
          NAV.map(link),
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
        h("div", { class: "where" }, waiting.inBar),
        switchControl(frame.signal),
      ),
      h("main", { class: "page", id: "main", tabindex: -1 }, above, h("div", { id: "view" })),
    ),
  );
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
  const made = await (view ? view(params, signal) : lost());
  await session.known();
  if (signal.aborted) return;
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === section) {
      link.setAttribute("aria-current", "page");
      // On a phone the views stand in a row that is wider than the window.
      link.scrollIntoView({ block: "nearest", inline: "center" });
    } else link.removeAttribute("aria-current");
  }
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
  // Until it is known who is there, that is the answer to who is there.
  if (!session.current()) return;
  end();
  session.keepToken(null);
  fill(root, h("main", { class: "alone" }, signIn(begin, "Your token is no longer valid: sign in again.")));
});

addEventListener("hashchange", navigate);
listenToKeys();
tick();
begin();
