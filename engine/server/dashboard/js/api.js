// Asks the server. Every fault is an `ApiError` whose text can be shown to a person as it is.

import { token } from "./session.js";

const PREFIX = "/api/self-healing";
/** How long an answer may take. */
const PATIENCE_MS = 20_000;

/** Events: `unauthorized`, `reached`, `unreachable`. */
export const events = new EventTarget();

export class ApiError extends Error {
  constructor(status, message, help, body) {
    super(message);
    this.status = status;
    this.help = help;
    this.body = body;
  }

  /** Whether this server does not have such a route or thing. */
  get isMissing() {
    return this.status === 404;
  }

  /** Whether there was no answer at all. */
  get isUnreachable() {
    return this.status === 0;
  }
}

export function headers() {
  const known = token();
  return known ? { authorization: `Bearer ${known}` } : {};
}

async function ask(path, init) {
  let response;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
  } catch (error) {
    events.dispatchEvent(new Event("unreachable"));
    const late = error.name === "TimeoutError";
    throw new ApiError(
      0,
      late ? "selfheal took too long to answer" : "selfheal does not answer",
      "It is asked again by itself.",
    );
  }
  events.dispatchEvent(new Event("reached"));
  return response;
}

async function json(response) {
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  if (response.status === 401) events.dispatchEvent(new Event("unauthorized"));
  const message = body?.error ?? `selfheal answered ${response.status}`;
  throw new ApiError(response.status, message, body?.help, body);
}

const underWay = new Map();

/** The answer of a reading route. Parts of a page that ask the same at the same time share one answer. */
export function get(path) {
  if (!underWay.has(path)) {
    const answer = ask(PREFIX + path, { headers: headers() }).then(json);
    const over = () => underWay.delete(path);
    underWay.set(path, answer);
    answer.then(over, over);
  }
  return underWay.get(path);
}

/** One page of a list: its items, and the address of the next page where there may be one. */
export async function page(path) {
  const response = await ask(path.startsWith(PREFIX) ? path : PREFIX + path, { headers: headers() });
  const items = await json(response);
  const next = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
  return { items, next };
}

/** Changes something. */
export async function send(path, body, method = "POST") {
  const init = { method, headers: { ...headers(), "content-type": "application/json" } };
  if (body !== undefined) init.body = JSON.stringify(body);
  return json(await ask(PREFIX + path, init));
}

/** What `/ready` says of the parts; it answers without a token, and with 503 when not ready. */
export async function ready() {
  const response = await ask("/ready", {});
  return response.json().catch(() => null);
}

/** A query of those parameters that have a value. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const text = new URLSearchParams(given).toString();
  return text && `?${text}`;
}
