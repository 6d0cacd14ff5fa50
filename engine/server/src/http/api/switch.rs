//! The switch of automatic remediation, and the circuit breakers.

use actix_web::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_runtime::breaker::BreakerState;
use selfheal_runtime::ports::JournalFault;
use selfheal_runtime::switch::Position;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::approvals::checked_reason;
use super::held::StandingView;
use super::{Answered, Call, Fault, ok, schema};

/// Where the switch stands.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Switch")]
pub(super) struct SwitchView<'a> {
    auto_remediation_enabled: bool,
    message: &'static str,
    /// Who turned it; `configuration` where nobody did.
    by: &'a str,
    /// When it was turned; null where it stands as configured.
    at: Option<Timestamp>,
    why: &'a str,
}

impl<'a> SwitchView<'a> {
    pub(super) fn of(position: &'a Position) -> Self {
        Self {
            auto_remediation_enabled: position.on,
            message: if position.on { "Auto-remediation enabled" } else { "Auto-remediation disabled" },
            by: &position.by,
            at: position.turned_at(),
            why: &position.why,
        }
    }
}

pub(super) async fn show(call: Call) -> Answered {
    let (engine, held) = (&call.app.engine, call.app.insight.held().await);
    ok(&StandingView::of(&engine.switch.position(), &held, engine.policy.in_all_per_hour))
}

/// A turn of the switch.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Toggle {
    enabled: bool,
    /// Why; it is recorded.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    reason: String,
}

/// Turns the switch; it is durable when the answer is 200. Off, it is off in this process in any case.
pub(super) async fn toggle(call: Call) -> Answered {
    let toggle: Toggle = call.json(r#"{"enabled": true or false, "reason": "..."}"#)?;
    let reason = checked_reason(&toggle.reason)?;
    let turned = call.app.engine.turn_switch(toggle.enabled, &call.caller.name, reason).await;
    let off_here = |fault: JournalFault| {
        match toggle.enabled {
        true => Fault::from(fault),
        false => Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("automatic remediation is off in this process, and not yet in the others: {fault}"),
        )
        .help(
            "it is off for all as soon as the journal answers, unless this process ends before; turn it off at the others, \
             too, if that cannot wait",
        )
        .with("auto_remediation_enabled", json!(false)),
    }
    };
    ok(&SwitchView::of(&turned.map_err(off_here)?))
}

/// An adapter's circuit breaker.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Breaker")]
pub(super) struct BreakerView {
    /// `open`: its targets are left alone until then; `trial`: the next use decides; `closed`: failures are counted.
    state: &'static str,
    #[serde(flatten)]
    #[schemars(with = "schema::AnyObject")]
    breaker: BreakerState,
}

/// Every adapter that has failed since its last success.
pub(super) async fn breakers(call: Call) -> Answered {
    let now = call.app.engine.clock.now();
    let view = |breaker: BreakerState| BreakerView {
        state: match breaker.open_until {
            Some(until) if until > now => "open",
            Some(_) => "trial",
            None => "closed",
        },
        breaker,
    };
    ok(&call.app.engine.breakers.list().into_iter().map(view).collect::<Vec<_>>())
}
