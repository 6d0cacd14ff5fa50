//! The API under `/api/self-healing/`: one table of routes, each with the least role that may use it.
//!
//! Every request goes the same way: who calls, may they, does a changing request come from this site, is its query known
//! and the body within its bound; only then the handler. A route cannot be had without a role, and what is not in the table does not exist.

mod approvals;
mod audit;
mod dry_run;
mod held;
mod issue;
mod issues;
mod maintenance;
mod numbers;
mod openapi;
mod people;
mod query;
mod remediations;
mod report;
mod rules;
mod session;
mod silences;
mod story;
mod stream;
mod subject;
mod switch;
pub(super) mod views;

use std::fmt;
use std::str::FromStr;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access::{self, Caller};
use super::answer::{self, Fault};
use super::schema;
use super::{App, body, packing};
use crate::config::Role;
use crate::insight::{HealthScore, Statistics};
use approvals::ApprovalView;
use issue::IssueView;
use query::{Parameter, Query};
use remediations::RemediationView;
use switch::SwitchView;

/// What every path begins with.
const PREFIX: &str = "/api/self-healing";

/// How a route is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Changes something, or asks with a body.
    Post,
    /// Takes something away.
    Delete,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Delete => Method::DELETE,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        })
    }
}

/// One way into the API. The table of them is the one truth: requests are admitted by it, and the OpenAPI document is
/// written from it.
#[derive(Clone, Copy)]
pub struct Route {
    /// How it is called.
    pub verb: Verb,
    /// Its path after `/api/self-healing`; parts in braces are names.
    pub path: &'static str,
    /// The least role that may use it.
    pub role: Role,
    /// One sentence: what it is for.
    pub about: &'static str,
    query: &'static [Parameter],
    takes: Option<Shape>,
    gives: Shape,
    handler: Handler,
}

/// Writes down what a body looks like.
type Shape = fn(&mut SchemaGenerator) -> Schema;
type Answered = Result<HttpResponse, Fault>;
type Handler = fn(Call) -> LocalBoxFuture<'static, Answered>;

/// An admitted request.
struct Call {
    app: Data<App>,
    caller: Caller,
    request: HttpRequest,
    query: Query,
    body: Vec<u8>,
}

macro_rules! routes {
    ($(
        $verb:ident $path:literal, $role:ident, $about:literal
        $(, query $query:path)? $(, takes $takes:ty)?, gives $gives:ty => $handler:path;
    )+) => {
        &[$(Route {
            verb: Verb::$verb,
            path: $path,
            role: Role::$role,
            about: $about,
            query: routes!(@query $($query)?),
            takes: routes!(@takes $($takes)?),
            gives: |generator| generator.subschema_for::<$gives>(),
            handler: |call| Box::pin($handler(call)),
        }),+]
    };
    (@query) => { &[] };
    (@query $query:path) => { $query };
    (@takes) => { None };
    (@takes $takes:ty) => { Some(|generator| generator.subschema_for::<$takes>()) };
}

/// All routes with their roles: viewers read, operators also handle the machine (switch, storms, dry-runs, maintenance) and
/// ask for remediations and rollbacks, approvers also answer for plans; each may do what those before it may.
pub const ROUTES: &[Route] = routes! {
    Get "/session", Viewer, "Says who calls, and which routes they may use.",
        gives session::Session<'static> => session::show;
    Get "/issues", Viewer, "Lists issues, newest first.",
        query issues::FILTERS, gives Vec<IssueView<'static>> => issues::list;
    Get "/issues/{id}", Viewer, "Tells an issue's whole story, from receipt to outcome.",
        gives issues::StoryView<'static> => issues::one;
    Get "/issues/{id}/report", Viewer, "Writes the report of an incident, in Markdown.",
        gives report::Markdown => report::one;
    Post "/issues/{id}/acknowledge", Operator, "Says that a person has taken an issue in hand.",
        takes people::Reason, gives people::Acknowledged<'static> => people::acknowledge;
    Post "/issues/{id}/silence", Operator, "Has Alertmanager keep an issue's alert quiet for a time.",
        takes silences::NewSilence, gives silences::SilenceView<'static> => silences::add;
    Delete "/issues/{id}/silence", Operator, "Ends the silence of an issue's alert.",
        gives silences::Ended<'static> => silences::end;
    Get "/silences", Viewer, "Lists the silences that stand at Alertmanager, whoever made them.",
        gives Vec<silences::SilenceView<'static>> => silences::list;
    Post "/manual-remediate/{id}", Operator,
        "Decides about an issue now, without waiting for its time. All guards are asked.",
        takes people::Reason, gives people::Asked => people::remediate;
    Get "/remediations", Viewer, "Lists remediations, newest first.",
        query remediations::FILTERS, gives Vec<RemediationView<'static>> => remediations::list;
    Get "/remediations/{id}", Viewer, "Shows one remediation with its intents.",
        gives RemediationView<'static> => remediations::one;
    Post "/remediations/{id}/rollback", Operator, "Takes back what an ended remediation applied, last first.",
        takes people::Reason, gives people::RolledBack => people::roll_back;
    Get "/health-score", Viewer, "Scores 0 to 100, their last 24 hours, and which issues cost how many points.",
        gives HealthScore => numbers::health;
    Get "/statistics", Viewer, "Counts, success rates and times over 24 hours, 7 days and 30 days.",
        gives Statistics => numbers::statistics;
    Get "/stream", Viewer, "Tells what changes as it happens, as server-sent events.",
        gives stream::Events => stream::listen;
    Get "/approvals", Viewer, "Lists plans that wait for a person, newest first.",
        query approvals::FILTERS, gives Vec<ApprovalView<'static>> => approvals::list;
    Get "/approvals/{id}", Viewer, "Shows one plan that waits, or waited, for a person.",
        gives ApprovalView<'static> => approvals::one;
    Post "/approvals/{id}", Approver, "Gives or refuses an approval, for the very plan that was shown.",
        takes approvals::Answer, gives ApprovalView<'static> => approvals::answer;
    Get "/switch", Viewer, "Says whether automatic remediation is on, who said so, and what holds it back.",
        gives held::StandingView<'static> => switch::show;
    Post "/toggle-auto-remediation", Operator, "Turns automatic remediation on or off.",
        takes switch::Toggle, gives SwitchView<'static> => switch::toggle;
    Get "/maintenance", Viewer, "Lists the times in which alerts are left alone.",
        gives Vec<maintenance::WindowView<'static>> => maintenance::list;
    Post "/maintenance", Operator, "Adds a time in which some alerts, or all, are left alone.",
        takes maintenance::NewWindow, gives maintenance::WindowView<'static> => maintenance::add;
    Delete "/maintenance/{id}", Operator, "Ends or cancels a maintenance window that was added here.",
        gives maintenance::Ended<'static> => maintenance::end;
    Get "/rules", Viewer, "Lists the rules in use, and why newer texts are not.",
        gives rules::RulesView<'static> => rules::list;
    Get "/rules/{name}", Viewer, "Shows one rule with its text.",
        gives rules::RuleView<'static> => rules::one;
    Post "/rules/{name}/release", Operator, "Lets a rule go on for an hour although it is flooded with new issues.",
        takes people::Reason, gives rules::Released<'static> => rules::release;
    Get "/breakers", Viewer, "Lists the adapters that have failed since their last success.",
        gives Vec<switch::BreakerView> => switch::breakers;
    Get "/audit/head", Viewer, "Says where the audit chain ends, to be kept where nobody can change it.",
        gives audit::HeadView => audit::head;
    Post "/dry-run", Operator, "Says what would be done about the alerts of a webhook body, and why.",
        takes dry_run::Body, gives dry_run::Answer => dry_run::dry_run;
};

pub(super) fn routes(service: &mut ServiceConfig) {
    let mut paths: Vec<&str> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    for path in paths {
        let of_path = || ROUTES.iter().filter(move |route| route.path == path);
        let mut resource = web::resource(format!("{PREFIX}{path}"));
        for route in of_path() {
            resource = resource.route(web::method(route.verb.method()).to(
                move |request: HttpRequest, payload: Payload, app: Data<App>| {
                    answered(route, request, payload, app)
                },
            ));
        }
        let allowed = of_path().map(|route| route.verb.to_string()).collect::<Vec<_>>().join(", ");
        service.service(resource.default_service(web::to(move |request: HttpRequest| {
            let response = wrong_method(&request, &allowed);
            async move { response }
        })));
    }
    service.service(
        web::resource(openapi::PATH)
            .route(web::get().to(openapi::show))
            .default_service(web::to(|request: HttpRequest| async move { wrong_method(&request, "GET") })),
    );
}

fn wrong_method(request: &HttpRequest, allowed: &str) -> HttpResponse {
    let error = format!("{} is not possible here", request.method());
    let mut fault = Fault::new(StatusCode::METHOD_NOT_ALLOWED, error).help(format!("use {allowed}"));
    if let Ok(allow) = HeaderValue::from_str(allowed) {
        fault = fault.header(header::ALLOW, allow);
    }
    answer::secured(fault.into_json())
}

async fn answered(
    route: &'static Route,
    request: HttpRequest,
    payload: Payload,
    app: Data<App>,
) -> HttpResponse {
    let asked = request.headers().clone();
    let response = match admitted(route, request, payload, app).await {
        Ok(call) => (route.handler)(call).await,
        Err(fault) => Err(fault),
    };
    packing::packed(answer::secured(response.unwrap_or_else(Fault::into_json)), &asked)
}

async fn admitted(
    route: &Route,
    request: HttpRequest,
    payload: Payload,
    app: Data<App>,
) -> Result<Call, Fault> {
    let headers = request.headers();
    let now = app.engine.clock.now();
    let refused = |reason: &'static str| app.count_refused("request", reason);
    let caller =
        app.access.api(headers, request.peer_addr(), now).inspect_err(|_| refused("unauthorized"))?;
    if caller.role < route.role {
        refused("forbidden");
        let error =
            format!("{} is {}, and this needs {}", caller.name, caller.role.name(), route.role.name());
        return Err(Fault::new(StatusCode::FORBIDDEN, error)
            .help("use a token of that role, or raise this one's in api.tokens"));
    }
    let query = Query::read(request.query_string(), route.query)?;
    let mut bytes = Vec::new();
    if route.verb != Verb::Get {
        access::same_origin(headers).inspect_err(|_| refused("other_origin"))?;
        let read = body::read(headers, payload, app.api.bounds, &app.api.room).await;
        bytes = read.inspect_err(|fault| refused(fault.reason()))?.bytes;
    }
    Ok(Call { app, caller, request, query, body: bytes })
}

impl Call {
    /// A part of the path.
    fn part(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// A part of the path that names something.
    fn named<T: FromStr<Err = String>>(&self, part: &str) -> Result<T, Fault> {
        self.part(part).parse().map_err(Fault::wrong)
    }

    /// The body as JSON of a known shape.
    fn json<T: DeserializeOwned>(&self, shape: &str) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Fault::wrong(format!("the body cannot be used: {error}")).help(format!("send {shape}"))
        })
    }
}

/// A page of a list: where there may be more, a `Link` header leads to it.
fn page(call: &Call, rows: &impl Serialize, next: Option<String>) -> Answered {
    let mut response = ok(rows)?;
    if let Some(link) = next.and_then(|last| call.query.next(call.request.path(), &last).parse().ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// A value as a successful answer.
fn ok(value: &impl Serialize) -> Answered {
    Ok(answer::json(StatusCode::OK, value))
}
