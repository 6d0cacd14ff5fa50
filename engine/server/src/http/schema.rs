//! How the domain's values look as JSON, for the OpenAPI document. The closed sets are taken from their own lists of
//! names, so that a new name is in the document at once.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use selfheal_core::{health, issue, remediation, rule};

/// Any object: what an adapter, a rule or an alert says.
pub(crate) struct AnyObject;

impl JsonSchema for AnyObject {
    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Names with texts: labels, annotations.
pub(crate) type Labels = std::collections::BTreeMap<String, String>;

macro_rules! closed_sets {
    ($($name:ident = $kind:ty;)+) => {$(
        /// One of the names of the set that it is called after.
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let names: Vec<&str> = <$kind>::NAMES.iter().map(|(name, _)| *name).collect();
                json_schema!({ "type": "string", "enum": names })
            }
        }
    )+};
}

closed_sets! {
    Phase = issue::Phase;
    Outcome = issue::Outcome;
    Priority = rule::Priority;
    Component = rule::Component;
    Mode = rule::Mode;
    Gravity = health::Gravity;
    IntentState = remediation::IntentState;
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $pattern:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )+};
}

texts! {
    /// The number of an issue, with or without its word.
    IssueName "^(issue-)?[1-9][0-9]{0,17}$";
    /// A remediation: the number of its issue, and its own there.
    RemediationName "^remediation-[1-9][0-9]{0,17}-[1-9][0-9]{0,8}$";
    /// A hash of a plan or a rule set.
    Hash "^[0-9a-f]{64}$";
}

/// The scores at the end of a quarter of an hour.
#[derive(JsonSchema)]
#[schemars(rename = "TrendSample")]
#[expect(
    dead_code,
    reason = "stands for core's Sample, which the core cannot describe itself; a test compares the two"
)]
pub(crate) struct Sample {
    /// The end of the span.
    at: jiff::Timestamp,
    /// The overall score then, 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    overall: u32,
    #[schemars(range(min = 0, max = 100))]
    compute: u32,
    #[schemars(range(min = 0, max = 100))]
    network: u32,
    #[schemars(range(min = 0, max = 100))]
    storage: u32,
    #[schemars(range(min = 0, max = 100))]
    database: u32,
    #[schemars(range(min = 0, max = 100))]
    security: u32,
    /// The least overall score since the sample before.
    #[schemars(range(min = 0, max = 100))]
    lowest: u32,
}

/// What was about to happen, and what became of it.
#[derive(JsonSchema)]
#[schemars(rename = "Intent")]
#[expect(dead_code, reason = "stands for the journal's Intent; a test compares the two")]
pub(crate) struct Intent {
    /// Its name: a hash over issue, remediation, rule, step, action, target and try.
    #[schemars(with = "Hash")]
    id: String,
    /// The remediation: the numbers of its issue and its own there.
    #[schemars(with = "AnyObject")]
    remediation: (),
    /// The step's place in the plan.
    path: String,
    /// Which try, from 1.
    try_number: u32,
    /// The action: `adapter.action`.
    action: String,
    /// Its parameters.
    params: serde_json::Value,
    /// What it changes.
    target: String,
    /// The target's state before.
    prior: serde_json::Value,
    /// The readings before, for relative conditions.
    before: serde_json::Value,
    /// Where it stands.
    #[schemars(with = "IntentState")]
    state: (),
    /// What the adapter or the verification said last.
    said: String,
    /// When it was journalled.
    intended_at: jiff::Timestamp,
    /// When it was applied.
    applied_at: Option<jiff::Timestamp>,
    /// When its state last changed.
    changed_at: jiff::Timestamp,
    /// When it must be undone although it helped.
    revert_at: Option<jiff::Timestamp>,
}
