//! Adapters that only check what they are given.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{
    About, AboutProbe, Action, Adapter, Applied, Assessment, BlastRadius, Catalog, Effect, Failure,
    FieldSpec, IntentId, Permission, Preview, Probe, Reading, Reversal, Undone, parameters,
};
use selfheal_core::span::Span;

parameters! {
    /// For a rollout.
    pub struct Rollout {
        /// Namespace.
        pub namespace: String,
        /// Name of the rollout.
        pub rollout: String,
    }
}

parameters! {
    /// For a query.
    pub struct Query {
        /// The expression, in PromQL.
        pub expr: String,
        /// Values for `$1`, `$2` and so on.
        pub bind: Option<Vec<String>>,
    }
}

parameters! {
    /// For a database.
    pub struct Database {
        /// Name of the configured database.
        pub database: String,
    }
}

parameters! {
    /// For idle connections.
    pub struct Idle {
        /// Name of the configured database.
        pub database: String,
        /// How long a connection must have been idle.
        pub idle_for: Span,
        /// How many at most.
        pub limit: Option<u32>,
    }
}

parameters! {
    /// For a message.
    pub struct Message {
        /// The text.
        pub text: String,
    }
}

parameters! {
    /// For something in one of several places.
    pub struct Placed {
        /// Its name.
        pub name: String,
        /// The place.
        pub cluster: Option<String>,
    }
}

/// An action of any parameters, which refuses texts with a quote in them.
struct FakeAction<P>(&'static str, &'static str, std::marker::PhantomData<fn() -> P>);

#[async_trait]
impl<P: selfheal_contract::Parameters> Action for FakeAction<P> {
    type Parameters = P;
    type Prior = ();

    fn about(&self) -> About {
        About {
            name: self.0,
            doc: self.1,
            reversal: Reversal::Restores,
            permissions: vec![Permission { right: format!("may {}", self.0).into(), purpose: "doing it" }],
        }
    }

    fn assess(&self, params: &P) -> Result<Assessment, Failure> {
        let params = serde_json::to_value(params).map_err(|fault| Failure::refused(fault.to_string()))?;
        let quoted = params
            .as_object()
            .into_iter()
            .flatten()
            .find(|(_, value)| value.as_str().is_some_and(|text| text.contains('"')));
        if let Some((name, value)) = quoted {
            return Err(Failure::refused(format!("{name}: {value} has a quote in it")));
        }
        Ok(Assessment {
            target: "fake/x".into(),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Restores,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, _: &P) -> Result<Preview, Failure> {
        Ok(Preview::default())
    }

    async fn capture(&self, _: &P) -> Result<(), Failure> {
        Ok(())
    }

    async fn apply(&self, _: &P, _: &(), _: &IntentId) -> Result<Applied, Failure> {
        Ok(Applied::new("done"))
    }

    async fn effect(&self, _: &P, _: &(), _: &IntentId) -> Result<Effect, Failure> {
        Ok(Effect::Untouched)
    }

    async fn undo(&self, _: &P, _: &(), _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}

struct FakeProbe<P> {
    name: &'static str,
    doc: &'static str,
    fields: &'static [FieldSpec],
    params: std::marker::PhantomData<fn() -> P>,
}

#[async_trait]
impl<P: selfheal_contract::Parameters> Probe for FakeProbe<P> {
    type Parameters = P;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: self.name,
            doc: self.doc,
            fields: self.fields,
            main_field: self.fields[0].name,
            permissions: vec![],
        }
    }

    fn check(&self, params: &P) -> Result<(), Failure> {
        let text = serde_json::to_string(params).map_err(|fault| Failure::refused(fault.to_string()))?;
        if text.contains("panic!") {
            panic!("as asked for");
        }
        if text.contains("refuse") { Err(Failure::refused(format!("refused {text}"))) } else { Ok(()) }
    }

    async fn read(&self, _: &P) -> Result<Reading, Failure> {
        Ok(Reading::Inconclusive("fake".into()))
    }
}

const fn field(name: &'static str, doc: &'static str) -> FieldSpec {
    FieldSpec { name, doc }
}

fn action<P: selfheal_contract::Parameters>(name: &'static str, doc: &'static str) -> Arc<FakeAction<P>> {
    Arc::new(FakeAction(name, doc, std::marker::PhantomData))
}

fn probe<P: selfheal_contract::Parameters>(
    name: &'static str,
    doc: &'static str,
    fields: &'static [FieldSpec],
) -> Arc<FakeProbe<P>> {
    Arc::new(FakeProbe { name, doc, fields, params: std::marker::PhantomData })
}

const PHASE: &[FieldSpec] = &[field("phase", "Its phase.")];
const VALUE: &[FieldSpec] = &[field("value", "The value."), field("labels.*", "Its labels.")];
const COUNTS: &[FieldSpec] = &[
    field("share", "Used, of those allowed; 0 to 1."),
    field("total", "All."),
    field("by.user", "Of the user with most."),
];

/// `argo`, `prom`, `pg` and `log`.
pub fn catalog() -> Catalog {
    let argo = Adapter {
        name: "argo",
        doc: "Argo Rollouts.",
        actions: vec![
            action::<Rollout>("pause", "Pauses a rollout."),
            action::<Rollout>("abort", "Aborts a rollout."),
        ],
        probes: vec![probe::<Rollout>("rollout", "Reads a rollout.", PHASE)],
        ..Adapter::default()
    };
    let prom = Adapter {
        name: "prom",
        doc: "Prometheus.",
        actions: vec![],
        probes: vec![probe::<Query>("query", "Asks for one value.", VALUE)],
        ..Adapter::default()
    };
    let pg = Adapter {
        name: "pg",
        doc: "PostgreSQL.",
        actions: vec![
            action::<Idle>("terminate_idle", "Ends idle connections.\nNever its own."),
            action::<Database>("cancel", "Cancels | all."),
        ],
        probes: vec![probe::<Database>("connections", "Counts connections.", COUNTS)],
        ..Adapter::default()
    };
    let log = Adapter {
        name: "log",
        doc: "Writes to the log.",
        actions: vec![action::<Message>("write", "Writes a line.")],
        probes: vec![],
        ..Adapter::default()
    };
    Catalog::new([argo, prom, pg, log])
}

/// `k8s`, with several clusters.
pub fn several() -> Catalog {
    Catalog::new([Adapter {
        name: "k8s",
        doc: "Several clusters.",
        actions: vec![
            action::<Placed>("restart", "Restarts it."),
            action::<Message>("note", "Notes something."),
        ],
        probes: vec![probe::<Placed>("state", "Reads it.", PHASE)],
        from_labels: &["cluster"],
        ..Adapter::default()
    }])
}
