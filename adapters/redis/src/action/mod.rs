//! What can be changed at a Redis server, one file an action.

mod config_set;
mod expire_key;
mod kill;
mod kill_client;
mod kill_idle_clients;
mod trim_list;

use std::sync::Arc;

use redis::{Pipeline, pipe};
use selfheal_contract::AnyAction;

use crate::targets::Targets;

/// All actions, over these targets.
pub(crate) fn all(targets: &Arc<Targets>) -> Vec<Arc<dyn AnyAction>> {
    let targets = || Arc::clone(targets);
    vec![
        Arc::new(config_set::Action(targets())),
        Arc::new(expire_key::Action(targets())),
        Arc::new(trim_list::Action(targets())),
        Arc::new(kill_client::Action(targets())),
        Arc::new(kill_idle_clients::Action(targets())),
    ]
}

/// One run of a script over these keys. Scripts are sent whole: an action is rare, and nothing has to be loaded first.
fn script(source: &str, keys: &[&str], args: &[i64]) -> Pipeline {
    let mut run = pipe();
    run.cmd("EVAL").arg(source).arg(keys.len()).arg(keys).arg(args);
    run
}

/// A part of [`selfheal_contract::Assessment::target`]: what a label may have held must not break a line or a path.
fn part(text: &str) -> String {
    text.escape_default().to_string().replace('/', "\\u{2f}")
}
