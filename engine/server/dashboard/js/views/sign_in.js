// Signing in with an API token, which this tab keeps until it is closed.

import * as api from "../api.js";
import { h } from "../dom.js";
import { keepToken, token } from "../session.js";

/** `done` is called with what `/session` says, as a promise. */
export function signIn(done, expired) {
  const fault = h("p", { class: "tone-bad", role: "alert" }, expired);
  const field = h("input", { type: "password", autocomplete: "off", required: true, id: "token" });
  const go = h("button", { class: "button primary", type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    go.disabled = true;
    fault.textContent = "";
    const before = token();
    keepToken(field.value.trim());
    try {
      const answer = await api.get("/session");
      done(Promise.resolve(answer));
    } catch (error) {
      keepToken(before);
      fault.textContent =
        error.status === 401
          ? `${error.message}. Ask whoever runs selfheal for a token of api.tokens.`
          : error.message;
      go.disabled = false;
      field.select();
    }
  };
  queueMicrotask(() => field.focus());
  return h(
    "form",
    { class: "card sign-in", onsubmit: submit },
    h("h1", null, "Sign in to selfheal"),
    h(
      "p",
      { class: "muted" },
      "With an API token. It is kept in this tab only, and forgotten when the tab is closed.",
    ),
    h("label", { class: "field", for: "token" }, h("span", null, "API token"), field),
    fault,
    go,
  );
}
