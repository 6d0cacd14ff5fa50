// Builds elements. Whatever comes from outside goes in as text or as an attribute's value, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children: `h("p", { class: "muted" }, "text", other)`. */
export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** Appends children; nothing, false and empty are left out, everything else that is no node becomes text. */
export function add(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces what an element holds, and keeps what the reader had opened and where they were (elements with `data-key`). */
export function fill(element, ...children) {
  const active = document.activeElement;
  const focused = element.contains(active) ? active.closest("[data-key]")?.dataset.key : undefined;
  const opened = new Map();
  for (const details of element.querySelectorAll("details[data-key]"))
    opened.set(details.dataset.key, details.open);
  element.replaceChildren();
  add(element, children);
  for (const details of element.querySelectorAll("details[data-key]")) {
    if (opened.has(details.dataset.key)) details.open = opened.get(details.dataset.key);
  }
  if (focused !== undefined) {
    const again = element.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    (again?.matches("a,button,input,select,textarea,summary,[tabindex]")
      ? again
      : again?.querySelector("summary")
    )?.focus({
      preventScroll: true,
    });
  }
}

/** The parts of a class that hold. */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
