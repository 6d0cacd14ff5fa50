//! The API under `/api/self-healing/`: one table of routes, each with the least role that may use it.
//!
//! Every request goes the same way: who calls, may they, does a changing request come from this site, is the body within
//! its bound; only then the handler. A route cannot be had without a role, and what is not in the table does not exist.

mod approvals;
mod dry_run;
mod issue;
mod issues;
mod query;
mod remediations;
mod rules;
mod statistics;
mod story;
mod switch;

use std::fmt;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access::{self, Caller};
use super::answer::{self, Fault};
use super::{App, body};
use crate::config::Role;

/// What every path begins with.
const PREFIX: &str = "/api/self-healing";

/// How a route is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Changes something, or asks with a body.
    Post,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// One way into the API.
#[derive(Clone, Copy)]
pub struct Route {
    /// How it is called.
    pub verb: Verb,
    /// Its path after `/api/self-healing`; parts in braces are names.
    pub path: &'static str,
    /// The least role that may use it.
    pub role: Role,
    handler: Handler,
}

type Answered = Result<HttpResponse, Fault>;
type Handler = fn(Call) -> LocalBoxFuture<'static, Answered>;

/// An admitted request.
struct Call {
    app: Data<App>,
    caller: Caller,
    request: HttpRequest,
    body: Vec<u8>,
}

macro_rules! routes {
    ($($verb:ident $path:literal $role:ident => $handler:path;)+) => {
        &[$(Route {
            verb: Verb::$verb,
            path: $path,
            role: Role::$role,
            handler: |call| Box::pin($handler(call)),
        }),+]
    };
}

/// All routes with their roles: viewers read, operators also handle the machine (switch, storms, dry-runs), approvers
/// also answer for plans; each may do what those before it may.
pub const ROUTES: &[Route] = routes! {
    Get "/issues" Viewer => issues::list;
    Get "/issues/{id}" Viewer => issues::one;
    Get "/remediations" Viewer => remediations::list;
    Get "/remediations/{id}" Viewer => remediations::one;
    Get "/statistics" Viewer => statistics::totals;
    Get "/approvals" Viewer => approvals::list;
    Get "/approvals/{id}" Viewer => approvals::one;
    Post "/approvals/{id}" Approver => approvals::answer;
    Get "/switch" Viewer => switch::show;
    Post "/toggle-auto-remediation" Operator => switch::toggle;
    Get "/rules" Viewer => rules::list;
    Get "/rules/{name}" Viewer => rules::one;
    Post "/rules/{name}/release" Operator => rules::release;
    Get "/breakers" Viewer => switch::breakers;
    Post "/dry-run" Operator => dry_run::dry_run;
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
    let response = match admitted(route, request, payload, app).await {
        Ok(call) => (route.handler)(call).await,
        Err(fault) => Err(fault),
    };
    answer::secured(response.unwrap_or_else(Fault::into_json))
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
    let mut bytes = Vec::new();
    if route.verb != Verb::Get {
        access::same_origin(headers).inspect_err(|_| refused("other_origin"))?;
        let read = body::read(headers, payload, app.api.bounds, &app.api.room).await;
        bytes = read.inspect_err(|fault| refused(fault.reason()))?.bytes;
    }
    Ok(Call { app, caller, request, body: bytes })
}

impl Call {
    /// A part of the path.
    fn part(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// The body as JSON of a known shape.
    fn json<T: DeserializeOwned>(&self, shape: &str) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Fault::wrong(format!("the body cannot be used: {error}")).help(format!("send {shape}"))
        })
    }
}

/// A value as a successful answer.
fn ok(value: &impl Serialize) -> Answered {
    Ok(answer::json(StatusCode::OK, value))
}
