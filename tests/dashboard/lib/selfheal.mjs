// A selfheal process of a test's own: its directory, its life, and what is sent to it.

import { spawn } from "node:child_process";
import { cp, mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const BINARY =
  process.env.SELFHEAL_BIN ??
  join(process.env.CARGO_TARGET_DIR ?? join(HERE, "../../../target"), "debug/selfheal");

/** Longer than anything takes on a busy machine, in milliseconds. */
export const PATIENCE_MS = 60_000;

/** One token for each role; not secret, they live as long as a test. */
export const TOKENS = {
  viewer: "viewer-token-of-the-tests",
  operator: "operator-token-of-the-tests",
  approver: "approver-token-of-the-tests",
  admin: "admin-token-of-the-tests",
};

async function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks until the answer is truthy, and says in vain for what. */
export async function until(what, ask, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${patience} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Selfheal {
  /** Starts one. `tokens`: with API tokens, or open to this machine. `settings` are added to its configuration. */
  static async start({ tokens = false, settings = {}, rules = join(HERE, "../rules") } = {}) {
    const made = new Selfheal();
    made.directory = await mkdtemp(join(tmpdir(), "selfheal-dashboard-"));
    made.port = await freePort();
    made.token = tokens ? TOKENS.admin : null;
    const api = tokens
      ? {
          tokens: Object.entries(TOKENS).map(([role, token]) => ({
            name: `${role}-of-the-tests`,
            token,
            role,
          })),
        }
      : {};
    const config = { api, telemetry: { log: { level: "warn" } }, ...settings };
    // JSON is YAML.
    await writeFile(join(made.directory, "selfheal.yaml"), JSON.stringify(config));
    await mkdir(join(made.directory, "rules"));
    await cp(rules, join(made.directory, "rules"), { recursive: true });
    await made.run();
    return made;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async run() {
    const kept = Object.entries(process.env).filter(([name]) => !/proxy|^SELFHEAL_/i.test(name));
    const at = (name) => join(this.directory, name);
    const options = ["--config", at("selfheal.yaml"), "--data", at("data"), "--rules", at("rules")];
    this.log = "";
    this.child = spawn(BINARY, ["serve", "--listen", `127.0.0.1:${this.port}`, ...options], {
      env: Object.fromEntries(kept),
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on("data", (data) => (this.log = (this.log + data).slice(-20_000)));
    }
    await until("selfheal is ready", async () => {
      if (this.child.exitCode !== null) throw new Error(`selfheal ended:\n${this.log}`);
      return fetch(`${this.url}/ready`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }

  async kill() {
    if (this.child.exitCode === null) {
      const ended = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill("SIGKILL");
      await ended;
    }
  }

  async stop() {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  async writeRule(name, text) {
    await writeFile(join(this.directory, "rules", `${name}.rhai`), text);
  }

  /** Asks the API, as the tests and not through the browser. */
  async api(path, body) {
    const headers = this.token ? { authorization: `Bearer ${this.token}` } : {};
    const request = body ? { method: "POST", body: JSON.stringify(body), headers } : { headers };
    const answer = await fetch(`${this.url}/api/self-healing${path}`, request);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Sends a notification, as Alertmanager would. */
  async send(alerts) {
    const body = {
      version: "4",
      receiver: "selfheal",
      status: "firing",
      groupKey: "{}:{}",
      groupLabels: {},
      commonLabels: {},
      commonAnnotations: {},
      externalURL: "",
      truncatedAlerts: 0,
      alerts,
    };
    const answer = await fetch(`${this.url}/webhook/alertmanager`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`webhook: ${answer.status} ${await answer.text()}`);
  }
}

/** An alert that fires since some minutes. */
export function alert(name, labels, { minutes = 3, annotations = {}, status = "firing" } = {}) {
  const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
  return {
    status,
    labels: { alertname: name, ...labels },
    annotations,
    startsAt: ago(minutes),
    endsAt: status === "resolved" ? ago(0) : "0001-01-01T00:00:00Z",
    generatorURL: "http://prometheus.example:9090/graph",
  };
}
