//! The adapter for Kafka, `kafka` in rules: reads how far consumers lag behind and how topics and groups are, raises the
//! number of a topic's partitions, sets the configuration of topics that the operator names. Beside that it takes in
//! alerts from a topic and publishes events to one.
//!
//! Its section is `adapters.kafka`:
//!
//! ```yaml
//! clusters:
//!   main:
//!     bootstrap: kafka-0.prod:9092,kafka-1.prod:9092
//!     security: sasl_ssl                 # plaintext, ssl, sasl_plaintext or sasl_ssl
//!     sasl: { mechanism: scram-sha-512, user: selfheal, password: ${KAFKA_PASSWORD} }
//!     ca: ${file:/etc/ssl/kafka-ca.pem}  # when the system does not know the brokers' authority
//!     certificate: ${file:/etc/ssl/kafka.pem}  # where brokers want to see one: PEM, with its key
//!     key: ${file:/etc/ssl/kafka.key}          # and key_password, where it is encrypted
//! timeout: 5s                            # for one answer
//! settable: [retention.ms]               # topic configuration that may be set; none unless listed
//! source:                                # alerts from a topic; none unless written
//!   cluster: main                        # may be left out when there is only one
//!   topic: alerts
//!   group: selfheal
//!   dead_letters: alerts-unreadable      # where messages go of which something cannot be read; they are only logged without it
//! ```
//!
//! The remedy for lag is to scale the consumers' deployment, which is another adapter's. Deliberately absent: pausing and
//! resuming consumers, which only they can do; moving or deleting offsets, records, topics and groups.

mod action;
mod client;
mod cluster;
mod clusters;
mod fault;
mod lag;
mod membership;
mod names;
mod probe;
mod producer;
mod settings;
mod source;
mod text;
mod topic_configs;

use std::sync::Arc;

use selfheal_contract::settings::Section;
use selfheal_contract::{Adapter, Prepared, Publish, RosterEntry, Watch};

use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::producer::Publisher;
use crate::settings::Settings;
use crate::source::Source;

/// The adapter's line in the roster.
pub const ENTRY: RosterEntry = RosterEntry { section: "kafka", check, inherits: None };

const DOC: &str = "Kafka clusters, by the names that they have under `adapters.kafka.clusters`; the only one needs no naming. \
    Reads the lag of consumer groups without joining them, so that their members are not disturbed. It never moves an \
    offset and never deletes a record, a topic or a group; it sets only the topic configuration in `settable`. For \
    lag, scale the consumers' deployment.";

fn check(section: &mut Section<'_>) -> Box<dyn Prepared> {
    Box::new(Checked(settings::check(section)))
}

struct Checked(Settings);

impl Prepared for Checked {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let Settings { clusters, timeout, settable, source } = self.0;
        let clusters: Result<Vec<_>, String> =
            clusters.into_iter().map(|settings| Cluster::new(settings, timeout).map(Arc::new)).collect();
        let clusters = Arc::new(Clusters::new(clusters?, settable));
        let source = source.map(|settings| Source::new(settings, &clusters)).transpose()?;
        Ok(Adapter {
            name: "kafka",
            doc: DOC,
            actions: action::all(&clusters),
            probes: probe::all(&clusters),
            watches: source.into_iter().map(|source| Arc::new(source) as Arc<dyn Watch>).collect(),
            publisher: Some(Arc::new(Publisher(clusters)) as Arc<dyn Publish>),
            ..Adapter::default()
        })
    }
}
