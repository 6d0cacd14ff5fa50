// Questions to the person: a dialog with a reason and a button that does it. Escape closes; the focus goes back.

import { add, h } from "../dom.js";

const REASON_CHARS_MAX = 1000;

let number = 0;

/** Shows a dialog with this content and returns it. */
export function open(title, content, { wide = false } = {}) {
  number += 1;
  const id = `dialog-${number}`;
  const before = document.activeElement;
  const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id });
  add(
    dialog,
    content(h("h2", { id }, title), () => dialog.close()),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus?.({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function isOpen() {
  return Boolean(document.querySelector("dialog[open]"));
}

/**
 * Asks for a reason and does something with it. `act` gets the reason; what it throws is shown in the dialog, which then
 * stays. `details` are shown above the reason.
 */
export function ask({
  title,
  details,
  label = "Why?",
  hint,
  button,
  tone = "primary",
  required = false,
  act,
  wide,
}) {
  return open(
    title,
    (heading, close) => {
      const reason = h("textarea", {
        name: "reason",
        maxlength: REASON_CHARS_MAX,
        required,
        rows: 3,
        placeholder: hint,
      });
      const fault = h("p", { class: "tone-bad", role: "alert" });
      const go = h("button", { class: `button ${tone}`, type: "submit" }, button);
      const submit = async (event) => {
        event.preventDefault();
        go.disabled = true;
        fault.textContent = "";
        try {
          await act(reason.value.trim());
          close();
        } catch (error) {
          fault.textContent = error.help ? `${error.message}. ${error.help}` : error.message;
          go.disabled = false;
          go.focus();
        }
      };
      const keys = (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
      };
      queueMicrotask(() => reason.focus());
      return h(
        "form",
        { onsubmit: submit, onkeydown: keys },
        heading,
        details,
        h(
          "label",
          { class: "field" },
          h("span", null, required ? label : `${label} It is kept in the record.`),
          reason,
        ),
        fault,
        h(
          "div",
          { class: "buttons" },
          h("button", { class: "button quiet", type: "button", onclick: close }, "Cancel"),
          go,
        ),
      );
    },
    { wide },
  );
}
