// Times as people read them: how long ago, with the exact time behind it; they keep themselves up to date.

import { h } from "./dom.js";

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
];

/** `3d 4h`, `12m`, `4.2s`, `8ms`: at most two units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const whole = Math.abs(seconds);
  if (whole < 0.9995) return `${Math.round(whole * 1000)}ms`;
  if (whole < 10) return `${Number(whole.toFixed(1))}s`;
  let rest = Math.round(whole);
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length) break;
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

function coarse(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS.at(-1);
  return `${Math.floor(seconds / size)}${unit}`;
}

/** `12m ago`, `in 4m`. */
export function relative(at, now = Date.now()) {
  const seconds = (now - at) / 1000;
  if (Math.abs(seconds) < 2) return "now";
  return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`;
}

/** The exact local time. */
export function absolute(at) {
  const options = { dateStyle: "medium", timeStyle: "medium" };
  return new Intl.DateTimeFormat(undefined, options).format(new Date(at));
}

/** Hours, minutes and seconds with milliseconds: for the steps of a story. */
export function clock(at) {
  return new Date(at).toISOString().slice(11, 23);
}

const FORMS = {
  relative: (at) => relative(at),
  age: (at) => coarse(Math.max(0, (Date.now() - at) / 1000)),
  left: (at) => (at > Date.now() ? duration((at - Date.now()) / 1000) : "over"),
};

/** A time that keeps itself up to date. `form`: `relative`, `age`, or `left` until then. */
export function time(at, form = "relative", props = {}) {
  if (!at) return h("span", { class: "muted" }, "–");
  const moment = Date.parse(at);
  const element = h("time", { datetime: at, title: absolute(moment), "data-form": form, ...props });
  element.textContent = FORMS[form](moment);
  return element;
}

/** Brings all times of the page up to date, once a second. */
export function tick() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time[data-form]")) {
      const text = FORMS[element.dataset.form](Date.parse(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
  }, 1000);
}
