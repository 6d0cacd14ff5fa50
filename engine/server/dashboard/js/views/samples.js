// Alerts to try rules with, and the text of a new rule.

function alert(name, labels, annotations = {}) {
  return {
    status: "firing",
    labels: { alertname: name, ...labels },
    annotations,
    startsAt: new Date(Date.now() - 10 * 60_000).toISOString(),
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: "",
  };
}

/** Names and makers. */
export const SAMPLES = [
  [
    "PostgreSQL: too many connections",
    () =>
      alert(
        "PostgresTooManyConnections",
        { severity: "critical", instance: "db-0:9187" },
        { description: "91 % of the connections are in use" },
      ),
  ],
  [
    "PostgreSQL: slow queries",
    () =>
      alert("PostgresSlowQueries", {
        severity: "warning",
        instance: "db-0:9187",
        selfheal_table: "public.orders",
      }),
  ],
  [
    "Redis: memory runs short",
    () => alert("RedisMemoryHigh", { severity: "warning", instance: "cache-0:9121" }),
  ],
  [
    "A service answers with errors",
    () =>
      alert("HighErrorRate", {
        severity: "critical",
        namespace: "shop",
        app: "checkout",
        rollout: "checkout",
      }),
  ],
  [
    "A service is slow",
    () => alert("HighLatency", { severity: "warning", namespace: "shop", app: "checkout" }),
  ],
  [
    "A disk fills up",
    () => alert("DiskFillsUp", { severity: "critical", instance: "node-7:9100", mountpoint: "/data" }),
  ],
];

/** The alert of a real issue. */
export function sampleOf({ labels, annotations, starts_at, generator_url }) {
  return {
    status: "firing",
    labels,
    annotations,
    startsAt: starts_at,
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: generator_url,
  };
}

/** An alert that fits a rule's matchers, where they name its labels outright. */
export function sampleFor(matchers) {
  const labels = {};
  for (const matcher of matchers) {
    const named = /^\s*([a-zA-Z_]\w*)\s*(=~?)\s*"(.*)"\s*$/.exec(matcher);
    if (!named) continue;
    const [, label, operator, value] = named;
    // An expression of one word is that word.
    if (operator === "=" || /^\w+$/.test(value)) labels[label] = value;
  }
  if (!labels.alertname) return null;
  const { alertname, ...rest } = labels;
  return alert(alertname, { severity: "critical", ...rest });
}

/** A notification of whatever was pasted: a notification, an array of alerts, one alert, or only labels. */
export function notificationOf(pasted) {
  if (Array.isArray(pasted)) return around(pasted);
  if (pasted && typeof pasted === "object") {
    if (Array.isArray(pasted.alerts)) return pasted;
    if (pasted.labels)
      return around([
        {
          status: "firing",
          annotations: {},
          startsAt: new Date().toISOString(),
          endsAt: "0001-01-01T00:00:00Z",
          ...pasted,
        },
      ]);
    if (typeof pasted.alertname === "string") return around([alert(pasted.alertname, pasted)]);
  }
  throw new SyntaxError("expected a notification with alerts, an array of alerts, or one alert with labels");
}

function around(alerts) {
  return {
    version: "4",
    groupKey: "{}:{}",
    truncatedAlerts: 0,
    status: "firing",
    receiver: "playground",
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: "",
    alerts,
  };
}

export const NEW_RULE = `//! What goes wrong, and what this does about it.

const RULE = #{
    matchers: [\`alertname="HighErrorRate"\`],
    priority: "high",
    component: "compute",
};

/// What to read before deciding.
fn observe(alert) {
    #{}
}

/// What to do about it.
fn plan(alert, seen) {
    log::write(\`\${alert.labels.app} needs help\`)
}
`;
