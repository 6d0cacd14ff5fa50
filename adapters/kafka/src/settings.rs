//! The adapter's section of the configuration: raw to checked, without touching a cluster.

use selfheal_contract::settings::{Secret, Section};
use selfheal_core::span::Span;

use crate::names;

/// What the section says, checked.
pub(crate) struct Settings {
    pub(crate) clusters: Vec<Cluster>,
    /// How long one answer may take.
    pub(crate) timeout: Span,
    /// Keys of topics' configuration that may be set.
    pub(crate) settable: Vec<String>,
    pub(crate) source: Option<Source>,
}

/// One cluster.
pub(crate) struct Cluster {
    pub(crate) name: String,
    /// The library's own settings, some of them secret.
    pub(crate) properties: Vec<(&'static str, String)>,
}

/// Where alerts are taken in from.
pub(crate) struct Source {
    /// The cluster's name; none for the only one.
    pub(crate) cluster: Option<String>,
    pub(crate) topic: String,
    pub(crate) group: String,
    /// The topic for messages that cannot be read.
    pub(crate) dead_letters: Option<String>,
}

/// How the connection is protected, in Kafka's words.
const SECURITY: &[(&str, &str)] = &[
    ("plaintext", "plaintext"),
    ("ssl", "ssl"),
    ("sasl_plaintext", "sasl_plaintext"),
    ("sasl_ssl", "sasl_ssl"),
];

const MECHANISMS: &[(&str, &str)] =
    &[("plain", "PLAIN"), ("scram-sha-256", "SCRAM-SHA-256"), ("scram-sha-512", "SCRAM-SHA-512")];

const TLS_IS_ABSENT: &str = "this program is built without TLS for Kafka";
const TLS_HELP: &str =
    "build selfheal with the feature kafka-tls: cargo build --release --features kafka-tls";

/// Reads the section; faults go to its collector.
pub(crate) fn check(section: &mut Section<'_>) -> Settings {
    let clusters: Vec<Cluster> =
        section.map("clusters").into_iter().map(|(name, cluster)| self::cluster(name, cluster)).collect();
    let timeout =
        section.span_or("timeout", Span::from_secs(5), Span::from_millis(500)..=Span::from_secs(60));
    let settable = section.texts("settable");
    for key in &settable {
        if let Some(fault) = names::key_fault(key) {
            section.reject("settable", fault, None);
        }
    }
    let source = section.optional_section("source").map(|source| self::source(source, &clusters));
    section.finish();
    Settings { clusters, timeout, settable, source }
}

fn cluster(name: &str, mut section: Section<'_>) -> Cluster {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let problem = "a cluster's name is 1 to 64 letters, digits, dots, dashes or underscores";
        section.reject("bootstrap", format!("{problem}; found {name:?}"), None);
    }
    let bootstrap = bootstrap(&mut section);
    let security = section.one_of("security", SECURITY, "plaintext");
    let sasl = section.optional_section("sasl").map(self::sasl);
    let authorities = section.optional_text("ca");
    let certificate = section.optional_text("certificate");
    let (key, key_password) = (section.optional_secret("key"), section.optional_secret("key_password"));
    let (encrypts, logs_in) = (security.ends_with("ssl"), security.starts_with("sasl_"));
    if encrypts && !cfg!(feature = "tls") {
        section.reject("security", TLS_IS_ABSENT, Some(TLS_HELP));
    }
    let given = [
        ("ca", authorities.is_some()),
        ("certificate", certificate.is_some()),
        ("key", key.is_some()),
        ("key_password", key_password.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given && !encrypts) {
        let help = Some("set security: ssl or sasl_ssl");
        section.reject(name, "says nothing for a connection without TLS", help);
    }
    match (&certificate, &key) {
        (Some(_), None) => section.reject("certificate", "a certificate needs its key", Some("set key, too")),
        (None, Some(_)) => section.reject("key", "a key needs its certificate", Some("set certificate, too")),
        _ => {}
    }
    if key_password.is_some() && key.is_none() {
        section.reject("key_password", "there is no key that it opens", Some("set certificate and key, too"));
    }
    match &sasl {
        None if logs_in => {
            section.reject(
                "sasl",
                format!("security: {security} needs a login"),
                Some("add sasl: { mechanism, user, password }"),
            );
        }
        Some(_) if !logs_in => {
            section.reject("sasl", "a login is not used", Some("set security: sasl_ssl or sasl_plaintext"));
        }
        _ => {}
    }
    section.finish();

    let mut properties = vec![("bootstrap.servers", bootstrap), ("security.protocol", security.to_owned())];
    if let Some((mechanism, user, password)) = sasl.filter(|_| logs_in) {
        properties.push(("sasl.mechanisms", mechanism.to_owned()));
        properties.push(("sasl.username", user));
        properties.push(("sasl.password", password.expose().to_owned()));
    }
    if encrypts {
        // Where the system has them depends on the system, not on the one that the library was compiled for.
        properties.push(match authorities {
            Some(text) => ("ssl.ca.pem", text),
            None => ("ssl.ca.location", "probe".to_owned()),
        });
        properties.extend(certificate.map(|text| ("ssl.certificate.pem", text)));
        properties.extend(key.map(|secret| ("ssl.key.pem", secret.expose().to_owned())));
        properties.extend(key_password.map(|secret| ("ssl.key.password", secret.expose().to_owned())));
    }
    Cluster { name: name.to_owned(), properties }
}

fn bootstrap(section: &mut Section<'_>) -> String {
    let text = section.text("bootstrap");
    let brokers: Vec<&str> = text.split(',').map(str::trim).filter(|broker| !broker.is_empty()).collect();
    for broker in &brokers {
        let named = |host: &str| {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
        };
        let valid = match broker.rsplit_once(':') {
            Some((host, port)) => named(host) && port.parse::<u16>().is_ok_and(|port| port > 0),
            None => named(broker),
        };
        if !valid {
            section.reject(
                "bootstrap",
                format!("{broker:?} is no broker's address"),
                Some("expected kafka-0:9092,kafka-1:9092"),
            );
        }
    }
    if brokers.is_empty() && !text.is_empty() {
        section.reject("bootstrap", "names no broker", Some("expected kafka-0:9092,kafka-1:9092"));
    }
    brokers.join(",")
}

fn sasl(mut section: Section<'_>) -> (&'static str, String, Secret) {
    let mechanism = section.one_of("mechanism", MECHANISMS, "PLAIN");
    let user = section.text("user");
    let password = section.secret("password");
    if mechanism != "PLAIN" && !cfg!(feature = "tls") {
        section.reject(
            "mechanism",
            "this program is built without SCRAM, which needs TLS for Kafka",
            Some(TLS_HELP),
        );
    }
    section.finish();
    (mechanism, user, password)
}

fn source(mut section: Section<'_>, clusters: &[Cluster]) -> Source {
    let cluster = section.optional_text("cluster");
    let topic = section.text("topic");
    let group = section.text_or("group", "selfheal");
    let dead_letters = section.optional_text("dead_letters");
    match &cluster {
        Some(name) if !clusters.iter().any(|cluster| cluster.name == *name) => {
            section.reject(
                "cluster",
                format!("there is no cluster {name:?} under adapters.kafka.clusters"),
                None,
            );
        }
        None if clusters.len() != 1 => {
            let problem = format!("{} clusters are configured; name the one that is meant", clusters.len());
            section.reject("cluster", problem, None);
        }
        _ => {}
    }
    for (key, fault) in [
        ("topic", Some(&topic).filter(|topic| !topic.is_empty()).and_then(|topic| names::topic_fault(topic))),
        ("group", names::group_fault(&group)),
        ("dead_letters", dead_letters.as_deref().and_then(names::topic_fault)),
    ] {
        if let Some(fault) = fault {
            section.reject(key, fault, None);
        }
    }
    if dead_letters.as_ref() == Some(&topic) {
        section.reject(
            "dead_letters",
            "is the topic from which alerts are taken",
            Some("name another topic"),
        );
    }
    section.finish();
    Source { cluster, topic, group, dead_letters }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
