//! What follows from what all guards say.

use jiff::Timestamp;
use serde::Serialize;

use super::{Guard, Says, Verdict};

/// What follows from all verdicts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "ruling", rename_all = "snake_case")]
pub enum Ruling {
    /// The plan may run.
    Admit,
    /// Ask again at this time.
    Hold {
        /// When.
        until: Timestamp,
        /// The guards and their reasons.
        why: String,
        /// Which guards hold it.
        #[serde(skip)]
        guards: Vec<Guard>,
    },
    /// The plan may not run.
    Refuse {
        /// The guards and their reasons.
        why: String,
    },
    /// The plan is only shown.
    Shadow {
        /// The reason.
        why: String,
    },
    /// A person must approve the plan.
    Ask {
        /// The reasons.
        why: String,
    },
}

/// What follows from all verdicts.
pub fn rule_on(verdicts: &[Verdict]) -> Ruling {
    let whys = |wanted: fn(&Says) -> bool| {
        let said: Vec<&Verdict> = verdicts.iter().filter(|verdict| wanted(&verdict.says)).collect();
        (!said.is_empty()).then(|| summary(&said))
    };
    let (guards, untils): (Vec<Guard>, Vec<Timestamp>) = verdicts
        .iter()
        .filter_map(|verdict| match verdict.says {
            Says::Hold { until } => Some((verdict.guard, until)),
            _ => None,
        })
        .unzip();
    if let Some(why) = whys(|says| *says == Says::Refuse) {
        Ruling::Refuse { why }
    } else if let Some(why) = whys(|says| *says == Says::Shadow) {
        Ruling::Shadow { why }
    } else if let (Some(until), Some(why)) =
        (untils.into_iter().max(), whys(|says| matches!(says, Says::Hold { .. })))
    {
        Ruling::Hold { until, why, guards }
    } else if let Some(why) = whys(|says| *says == Says::Ask) {
        Ruling::Ask { why }
    } else {
        Ruling::Admit
    }
}

/// The guards, each with its reason; what several say in the same words is said once.
fn summary(said: &[&Verdict]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for Verdict { guard, why, .. } in said {
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, guards)) => guards.push(guard.name()),
            None => reasons.push((why, vec![guard.name()])),
        }
    }
    let texts = reasons.iter().map(|(why, guards)| format!("{}: {why}", guards.join(", ")));
    texts.collect::<Vec<_>>().join("; ")
}
