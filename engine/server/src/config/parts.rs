//! Parts of a configuration that are read where there is no whole one: by tests of rules.

use std::collections::BTreeMap;

use selfheal_contract::RosterEntry;
use selfheal_contract::settings::{Collector, Section};
use selfheal_core::policy::Policy;

use super::adapters::{self, Adapters};
use super::{policy, settings};

/// The sections `settings` and `policy` of `root`, with their defaults.
pub(crate) fn settings_and_policy(
    root: &mut Section<'_>,
    collector: &Collector,
) -> (BTreeMap<String, serde_json::Value>, Policy) {
    let policy = policy::check(&mut root.section("policy"));
    (settings::check(root, &policy, collector, &mut Vec::new()), policy)
}

/// The section `adapters` of `root`, with its defaults.
pub(crate) fn adapters(root: &mut Section<'_>, roster: &[RosterEntry]) -> Adapters {
    adapters::check(&mut root.section("adapters"), roster)
}
