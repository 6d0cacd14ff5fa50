// As much of an Alertmanager as silences need: it keeps them, and tells of the alerts that they cover.

import { createServer } from "node:http";

export class Alertmanager {
  silences = [];

  static async start() {
    const made = new Alertmanager();
    made.server = createServer((request, response) => {
      let body = "";
      request.on("data", (data) => (body += data));
      request.on("end", () => {
        const answer = made.answer(request.method, new URL(request.url, "http://localhost").pathname, body);
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise((resolve) => made.server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  answer(method, path, body) {
    if (path === "/api/v2/alerts") return this.silences.filter(stands).map(covered);
    if (path === "/api/v2/silences" && method === "POST") {
      const posted = JSON.parse(body);
      const id = posted.id ?? `silence-${this.silences.length + 1}`;
      this.silences = [
        ...this.silences.filter((silence) => silence.id !== id),
        { ...posted, id, status: { state: "active" } },
      ];
      return { silenceID: id };
    }
    if (path === "/api/v2/silences") return this.silences;
    const silence = this.silences.find(({ id }) => path.endsWith(`/silence/${id}`));
    if (silence) silence.status.state = "expired";
    return {};
  }

  stop() {
    this.server.close();
  }
}

const stands = ({ status }) => status.state === "active";

function covered({ id, matchers }) {
  return {
    labels: Object.fromEntries(matchers.map(({ name, value }) => [name, value])),
    annotations: {},
    startsAt: "2020-01-01T00:00:00Z",
    status: { state: "suppressed", silencedBy: [id] },
  };
}
