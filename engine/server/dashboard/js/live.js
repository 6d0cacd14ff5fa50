// What is new: the stream of events, read with the token (which `EventSource` could not send); where there is no stream, or
// while it is broken, everything is asked again at intervals.
//
// An event only says which topic changed; views ask for what they show.

import * as api from "./api.js";

const POLL_MS = 5_000;
/** With a stream, what no event speaks of (ages of rules, breakers) is still asked for now and then. */
const POLL_BESIDE_STREAM_MS = 60_000;
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 20_000];
/** Events that come together are one question; under a stream of events there is this much time between two. */
const GATHER_MS = 250;
const BETWEEN_MS = 1_500;
/** What changed between a page's questions and the beginning of its stream is asked for once, this much later. */
const CATCH_UP_MS = 2_000;
/** A stream that is silent for so long is broken: the server says something every 15 s or so. */
const SILENCE_MS = 60_000;

/** Events that are about more than their name: what was missed is not known, or there is too much of it to be told. */
const TOPICS = { reset: "all", many: "all", expired: "all", setting: "all" };

const listeners = new Set();
const watchers = new Set();
let state = { kind: "connecting", since: Date.now() };
let run = null;

/** Calls `refresh` when one of the topics changed, until `signal` is aborted. Without topics: at any change. */
export function onChange(topics, refresh, signal) {
  const listener = { topics, refresh };
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** Calls `show` with the state of the connection, now and whenever it changes, until `signal` is aborted. */
export function onConnection(show, signal) {
  watchers.add(show);
  signal.addEventListener("abort", () => watchers.delete(show));
  show(state);
}

function become(kind) {
  if (state.kind === kind) return;
  state = { kind, since: Date.now() };
  for (const show of watchers) show(state);
}

const gathered = new Set();
let gathering = null;
let told = 0;

/** Says that something changed. What the person did themselves is `urgent`: it is shown at once. */
export function changed(topic, urgent = false) {
  gathered.add(topic);
  if (urgent && gathering) {
    clearTimeout(gathering);
    gathering = null;
  }
  const wait = urgent ? GATHER_MS : Math.max(GATHER_MS, told + BETWEEN_MS - Date.now());
  gathering ??= setTimeout(tell, wait);
}

/** Lets those who show a topic ask again. What nobody looks at waits until somebody does. */
function tell() {
  gathering = null;
  if (document.hidden) return;
  told = Date.now();
  const topics = new Set(gathered);
  gathered.clear();
  for (const listener of [...listeners]) {
    const concerned =
      topics.has("all") || !listener.topics || listener.topics.some((topic) => topics.has(topic));
    if (concerned) listener.refresh();
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && gathered.size > 0) tell();
});

let reached = Date.now();
api.events.addEventListener("reached", () => {
  reached = Date.now();
  if (state.kind === "disconnected") {
    become(run?.streaming ? "live" : "polling");
    changed("all");
  }
});
api.events.addEventListener("unreachable", () => become("disconnected"));

/** When the server last answered, in milliseconds. */
export function lastReached() {
  return reached;
}

export function start() {
  stop();
  run = { streaming: false, stopped: new AbortController() };
  poll(run);
  follow(run);
}

export function stop() {
  run?.stopped.abort();
  run = null;
}

async function poll(own) {
  let asked = Date.now();
  while (await pause(1_000, own)) {
    const every = own.streaming && state.kind === "live" ? POLL_BESIDE_STREAM_MS : POLL_MS;
    if (document.hidden || Date.now() - asked < every) continue;
    asked = Date.now();
    if (state.kind === "disconnected") await api.ready().catch(() => {});
    else changed("all");
  }
}

async function follow(own) {
  let last = null;
  for (let failures = 0; !own.stopped.signal.aborted; failures += 1) {
    try {
      await read(own, last, (id) => {
        last = id ?? last;
        failures = 0;
      });
    } catch (error) {
      if (error.isMissing) break;
    }
    own.streaming = false;
    if (state.kind === "live") become("polling");
    if (!(await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)], own))) return;
  }
}

/** Reads the stream until it ends. */
async function read(own, last, heard) {
  const broken = new AbortController();
  own.stopped.signal.addEventListener("abort", () => broken.abort());
  const headers = {
    ...api.headers(),
    accept: "text/event-stream",
    ...(last ? { "last-event-id": last } : {}),
  };
  const response = await fetch("/api/self-healing/stream", {
    headers,
    signal: broken.signal,
    cache: "no-store",
  });
  if (!response.ok) throw new api.ApiError(response.status, "no stream");
  own.streaming = true;
  become("live");
  if (last === null) pause(CATCH_UP_MS, own).then((going) => going && changed("all"));
  else changed("all");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let silence = setTimeout(() => broken.abort(), SILENCE_MS);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => broken.abort(), SILENCE_MS);
      const blocks = (rest + value).replace(/\r\n?/g, "\n").split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parsed(block);
        heard(event.id);
        if (event.name) changed(TOPICS[event.name] ?? event.name);
      }
    }
  } finally {
    clearTimeout(silence);
  }
}

/** One event of a stream. */
export function parsed(block) {
  const event = { id: null, name: null, data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") event.id = value;
    else if (field === "event") event.name = value;
    else if (field === "data") event.data += value;
  }
  if (!event.name && event.data) event.name = "all";
  return event;
}

/** Waits; false when the run was stopped meanwhile. */
function pause(milliseconds, own) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), milliseconds);
    own.stopped.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}
