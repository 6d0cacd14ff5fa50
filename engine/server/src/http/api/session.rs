//! `/session`: who calls, and what they may do: what a page must know to show only what works.

use schemars::JsonSchema;
use selfheal_core::rule::Mode;
use serde::Serialize;

use super::held::StandingView;
use super::{Answered, Call, ROUTES, ok, schema};

/// The caller, as this server knows them.
#[derive(JsonSchema, Serialize)]
pub(super) struct Session<'a> {
    /// The token's name, as it stands in records.
    name: &'a str,
    role: &'static str,
    /// How far any rule may go by itself.
    #[schemars(with = "schema::Mode")]
    mode: Mode,
    version: &'static str,
    /// Where automatic remediation stands, as `GET /switch` says it: a page shows it at once.
    switch: StandingView<'a>,
    /// Whether an Alertmanager is configured, so that alerts can be silenced.
    silences: bool,
    /// Every way into the API, with the least role that may use it.
    routes: Vec<RouteView>,
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "SessionRoute")]
struct RouteView {
    /// `POST /approvals/{id}`.
    route: String,
    role: &'static str,
    allowed: bool,
}

pub(super) async fn show(call: Call) -> Answered {
    let routes = ROUTES.iter().map(|route| RouteView {
        route: format!("{} {}", route.verb, route.path),
        role: route.role.name(),
        allowed: call.caller.role >= route.role,
    });
    let (engine, held) = (&call.app.engine, call.app.insight.held().await);
    let position = engine.switch.position();
    ok(&Session {
        name: &call.caller.name,
        role: call.caller.role.name(),
        mode: call.app.engine.policy.mode,
        version: env!("CARGO_PKG_VERSION"),
        switch: StandingView::of(&position, &held, engine.policy.in_all_per_hour),
        silences: call.app.engine.can_silence(),
        routes: routes.collect(),
    })
}
