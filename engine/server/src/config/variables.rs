//! The environment variables that set something: one table from name to place in the tree.
//!
//! What they hold is taken as it is, without `${...}`, and checked by the section that reads the place. An empty
//! variable counts as not set, since that is how a composition file switches one off.

/// One environment variable and what it sets.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it sets: the way through the file's keys.
    pub path: &'static [&'static str],
    reads: Reads,
}

/// How the text of a variable becomes a value of the file.
#[derive(Debug, Clone, Copy)]
enum Reads {
    /// As it is.
    Plain,
    /// A switch, in any of the words that are usual in an environment.
    Switch,
    /// A switch that can only make things stricter: on is the mode `shadow`, off leaves the mode alone.
    ShadowSwitch,
    /// Whole seconds, or a duration with its unit.
    Seconds,
    /// A port. Kubernetes and Docker put an address (`tcp://10.0.0.1:5432`) for a service of the same name
    /// into a variable of this name, which nobody meant as a setting.
    Port,
}

/// What a variable says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The value for its place.
    Value(String),
    /// Nothing.
    Nothing,
    /// Something that cannot be understood: what was expected.
    Fault(&'static str),
}

const fn variable(name: &'static str, path: &'static [&'static str], reads: Reads) -> Variable {
    Variable { name, path, reads }
}

/// The name of the variable that names the file itself; whoever reads the file looks at it.
pub const FILE_VARIABLE: &str = "SELFHEAL_CONFIG";

/// All variables. Where two set one place, the later holds.
pub const VARIABLES: &[Variable] = &[
    variable("SELFHEAL_LISTEN", &["listen"], Reads::Plain),
    variable("SELFHEAL_DATA", &["data"], Reads::Plain),
    variable("SELFHEAL_RULES", &["rules"], Reads::Plain),
    variable("SELFHEAL_LOG", &["telemetry", "log", "level"], Reads::Plain),
    variable("JOURNAL_URL", &["journal", "url"], Reads::Plain),
    variable("SELFHEAL_JOURNAL_URL", &["journal", "url"], Reads::Plain),
    variable("SELFHEAL_AUDIT_KEY", &["audit", "key"], Reads::Plain),
    variable("SELFHEAL_LEDGER_URL", &["ledger", "url"], Reads::Plain),
    variable("OTEL_EXPORTER_OTLP_ENDPOINT", &["telemetry", "otlp", "endpoint"], Reads::Plain),
    variable("AUTO_REMEDIATION_ENABLED", &["switch", "enabled"], Reads::Switch),
    variable("DRY_RUN_MODE", &["policy", "mode"], Reads::ShadowSwitch),
    variable("LEARNING_MODE", &["learning"], Reads::Switch),
    variable("MAX_REMEDIATIONS_PER_HOUR", &["policy", "in_all_per_hour"], Reads::Plain),
    variable("MIN_REPLICAS", &["policy", "replicas_min"], Reads::Plain),
    variable("MAX_REPLICAS", &["policy", "replicas_max"], Reads::Plain),
    variable("KAFKA_LAG_THRESHOLD", &["settings", "kafka_lag_threshold"], Reads::Plain),
    variable("POSTGRES_CONN_THRESHOLD", &["settings", "postgres_conn_threshold"], Reads::Plain),
    variable("DISK_SPACE_THRESHOLD", &["settings", "disk_space_threshold"], Reads::Plain),
    variable("MEMORY_THRESHOLD", &["settings", "memory_threshold"], Reads::Plain),
    variable("ALERTMANAGER_URL", &["alertmanager", "urls"], Reads::Plain),
    variable("SCAN_INTERVAL_SECONDS", &["alertmanager", "interval"], Reads::Seconds),
    variable("CHECK_INTERVAL", &["checks", "interval"], Reads::Seconds),
    variable("PROMETHEUS_URL", &["adapters", "prometheus", "url"], Reads::Plain),
    variable("POSTGRES_HOST", &["adapters", "postgres", "targets", "main", "host"], Reads::Plain),
    variable("POSTGRES_PORT", &["adapters", "postgres", "targets", "main", "port"], Reads::Port),
    variable("POSTGRES_DB", &["adapters", "postgres", "targets", "main", "database"], Reads::Plain),
    variable("POSTGRES_USER", &["adapters", "postgres", "targets", "main", "user"], Reads::Plain),
    variable("POSTGRES_PASSWORD", &["adapters", "postgres", "targets", "main", "password"], Reads::Plain),
    variable("REDIS_URL", &["adapters", "redis", "targets", "main", "url"], Reads::Plain),
    variable(
        "KAFKA_BOOTSTRAP_SERVERS",
        &["adapters", "kafka", "clusters", "main", "bootstrap"],
        Reads::Plain,
    ),
    variable("KUBERNETES_URL", &["adapters", "kubernetes", "url"], Reads::Plain),
];

impl Variable {
    /// What the variable says when it holds `text`.
    pub(super) fn said(&self, text: &str) -> Said {
        // A password may begin or end with a space.
        let text = if matches!(self.reads, Reads::Plain) { text } else { text.trim() };
        if text.is_empty() {
            return Said::Nothing;
        }
        match self.reads {
            Reads::Plain => Said::Value(text.to_owned()),
            Reads::Switch => match switch(text) {
                Some(on) => Said::Value(on.to_string()),
                None => Said::Fault("expected true or false"),
            },
            Reads::ShadowSwitch => match switch(text) {
                Some(true) => Said::Value("shadow".to_owned()),
                Some(false) => Said::Nothing,
                None => Said::Fault("expected true or false"),
            },
            Reads::Seconds if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Said::Value(format!("{text}s"))
            }
            Reads::Seconds => Said::Value(text.to_owned()),
            Reads::Port if text.starts_with("tcp://") => Said::Nothing,
            Reads::Port => Said::Value(text.to_owned()),
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_variable_is_read_as_operators_write_it() {
        let value = |text: &str| Said::Value(text.to_owned());
        let cases = [
            ("MAX_REPLICAS", "20", value("20")),
            ("POSTGRES_PASSWORD", " x ", value(" x ")),
            ("SCAN_INTERVAL_SECONDS", " 20\n", value("20s")),
            ("MAX_REPLICAS", "", Said::Nothing),
            ("AUTO_REMEDIATION_ENABLED", "False", value("false")),
            ("AUTO_REMEDIATION_ENABLED", "on", value("true")),
            ("AUTO_REMEDIATION_ENABLED", "0", value("false")),
            ("AUTO_REMEDIATION_ENABLED", "maybe", Said::Fault("expected true or false")),
            ("DRY_RUN_MODE", "true", value("shadow")),
            ("DRY_RUN_MODE", "false", Said::Nothing),
            ("DRY_RUN_MODE", "shadow", Said::Fault("expected true or false")),
            ("SCAN_INTERVAL_SECONDS", "30", value("30s")),
            ("SCAN_INTERVAL_SECONDS", "2m", value("2m")),
            ("POSTGRES_PORT", "5433", value("5433")),
            ("POSTGRES_PORT", "tcp://10.0.0.1:5432", Said::Nothing),
        ];
        for (name, text, expected) in cases {
            let variable = VARIABLES.iter().find(|variable| variable.name == name).unwrap();
            assert_eq!(variable.said(text), expected, "{name}={text:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
