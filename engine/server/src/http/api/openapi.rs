//! `/api/openapi.json`: the API as an OpenAPI 3.1 document, written from the table of routes, from the parameters that it
//! admits, and from the very types that the handlers read and write. It says nothing that is secret and needs no token.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::super::{answer, schema};
use super::query::{Kind, Parameter, TEXT_CHARS_MAX};
use super::{PREFIX, ROUTES, Route, Verb, report, stream};

/// Where the document is.
pub(super) const PATH: &str = "/api/openapi.json";

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub(super) async fn show() -> HttpResponse {
    let mut response = answer::secured(answer::json(StatusCode::OK, &*DOCUMENT));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    response
}

/// What every refusal looks like. Some have more members than these.
#[derive(JsonSchema)]
#[schemars(rename = "Fault")]
#[expect(dead_code, reason = "answer::Fault writes it; a test compares the two")]
struct FaultShape {
    /// What was expected, and what came.
    error: String,
    /// What to do.
    help: Option<String>,
}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.contract = contract;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// Both directions, which differ in what may be left out.
struct Shapes {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

/// The whole document.
fn document() -> Value {
    let mut shapes =
        Shapes { read: generator(Contract::Deserialize), written: generator(Contract::Serialize) };
    shapes.written.subschema_for::<FaultShape>();
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("{PREFIX}{}", route.path)).or_insert_with(|| json!({}));
        path[route.verb.to_string().to_lowercase()] = operation(route, &mut shapes);
    }
    others(&mut paths);
    let mut schemas = shapes.read.take_definitions(true);
    schemas.extend(shapes.written.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "selfheal",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "What selfheal did, what it would do, and why; and the hands to stop it.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Fault": {
                    "description": "It is not done, and why.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Fault" } } },
                },
            },
            "securitySchemes": {
                "webhook_token": { "type": "http", "scheme": "bearer", "description": "One of intake.bearer_tokens." },
                "webhook_basic": { "type": "http", "scheme": "basic", "description": "One of intake.basic." },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of api.tokens. Without any configured, everybody on the same machine is an admin.",
                },
                "slack_signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Slack-Signature",
                    "description": "Slack's signature of version v0 over time and body, by slack.signing_secret.",
                },
            },
        },
    })
}

fn operation(route: &Route, shapes: &mut Shapes) -> Value {
    let mut parameters: Vec<Value> = parts(route.path).map(|part| path_parameter(route.path, part)).collect();
    parameters.extend(route.query.iter().map(query_parameter));
    if route.path == stream::PATH {
        parameters.push(json!({
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The id of the last event that was heard: what came after it is told first.",
            "schema": { "type": "string" },
        }));
    }
    let mut answer = json!({
        "description": "As asked.",
        "content": {},
    });
    let media = match route.path {
        stream::PATH => "text/event-stream",
        report::PATH => "text/markdown",
        _ => "application/json",
    };
    answer["content"][media] = json!({ "schema": (route.gives)(&mut shapes.written) });
    if route.query.iter().any(|parameter| matches!(parameter.kind, Kind::Cursor)) {
        answer["headers"] = json!({
            "Link": {
                "description": "The address of the next page, where there may be one: `<...>; rel=\"next\"`.",
                "schema": { "type": "string" },
            },
        });
    }
    let fault = json!({ "$ref": "#/components/responses/Fault" });
    let mut responses = json!({ "200": answer, "401": fault, "403": fault, "503": fault });
    if !parameters.is_empty() || route.verb != Verb::Get {
        responses["400"] = fault.clone();
    }
    if route.path.contains('{') {
        responses["404"] = fault.clone();
    }
    if route.verb != Verb::Get {
        for status in ["408", "409", "413", "415"] {
            responses[status] = fault.clone();
        }
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.about,
        "description": format!("Needs the role {} or a higher one.", route.role.name()),
        "tags": [route.path.split('/').nth(1).unwrap_or_default()],
        "parameters": parameters,
        "responses": responses,
        "x-role": route.role.name(),
    });
    if let Some(takes) = route.takes {
        let schema = takes(&mut shapes.read);
        let required = is_required(&schema, &mut shapes.read);
        operation["requestBody"] =
            json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

/// A body of which every member may be left out may be left out itself.
fn is_required(schema: &Schema, generator: &mut SchemaGenerator) -> bool {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let resolved = name.and_then(|name| generator.definitions().get(name));
    let required = resolved.unwrap_or(schema.as_value()).get("required");
    required.and_then(Value::as_array).is_some_and(|required| !required.is_empty())
}

fn operation_id(route: &Route) -> String {
    let words = route
        .path
        .split(['/', '-'])
        .map(|word| word.trim_matches(['{', '}']))
        .filter(|word| !word.is_empty());
    format!("{}_{}", route.verb.to_string().to_lowercase(), words.collect::<Vec<_>>().join("_"))
}

/// The names in braces.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(path: &str, part: &str) -> Value {
    let mut inline = generator(Contract::Serialize);
    let (schema, about) = if path.starts_with("/issues") || path.starts_with("/manual-remediate") {
        (schema::IssueName::json_schema(&mut inline), "The issue: issue-17, or 17.")
    } else if path.starts_with("/remediations") {
        (schema::RemediationName::json_schema(&mut inline), "The remediation: remediation-17-1.")
    } else {
        let schema = json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$" });
        (schema, "Its name, as the list has it.")
    };
    json!({ "name": part, "in": "path", "required": true, "description": about, "schema": schema })
}

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match &parameter.kind {
        Kind::Text => json!({ "type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::OneOf(names) => json!({ "type": "string", "enum": names() }),
        Kind::Name(pattern, example, _) => {
            json!({ "type": "string", "pattern": pattern, "examples": [example] })
        }
        Kind::Cursor => json!({ "type": "string" }),
    };
    json!({ "name": parameter.name, "in": "query", "description": parameter.about, "schema": schema })
}

/// What is not under the table's prefix: Alertmanager's door, and what orchestrators and Prometheus ask.
fn others(paths: &mut Map<String, Value>) {
    let object = || json!({ "application/json": { "schema": { "type": "object" } } });
    let text = || json!({ "text/plain": { "schema": { "type": "string" } } });
    let fault = json!({ "$ref": "#/components/responses/Fault" });
    let get = |id: &str, summary: &str, content: Value| {
        json!({
            "get": {
                "operationId": id,
                "summary": summary,
                "tags": ["machine"],
                "security": [],
                "responses": { "200": { "description": "As asked.", "content": content } },
            },
        })
    };
    paths.insert("/health".into(), get("health", "Says that the process answers.", object()));
    let mut ready =
        get("ready", "Says whether notifications can be taken in, and what does not work.", object());
    ready["get"]["responses"]["503"] =
        json!({ "description": "Notifications cannot be taken in.", "content": object() });
    paths.insert("/ready".into(), ready);
    paths.insert(
        "/metrics".into(),
        get("metrics", "Shows everything that is counted, for Prometheus.", text()),
    );
    paths.insert(PATH.into(), get("openapi", "Shows this document.", object()));
    paths.insert(
        crate::http::slack::PATH.into(),
        json!({
            "post": {
                "operationId": "slack_actions",
                "summary": "Takes in the press of a button in Slack; there where `slack` is configured.",
                "description": "The Request URL for the interactivity of a Slack app. What comes in is Slack's, signed with \
                                the app's signing secret; what the person may do follows from `slack.users`.",
                "tags": ["machine"],
                "security": [{ "slack_signature": [] }],
                "parameters": [{
                    "name": "X-Slack-Request-Timestamp",
                    "in": "header",
                    "required": true,
                    "description": "When Slack sent it, in seconds; at most five minutes off.",
                    "schema": { "type": "string", "pattern": "^[0-9]{1,12}$" },
                }],
                "requestBody": {
                    "required": true,
                    "content": { "application/x-www-form-urlencoded": { "schema": {
                        "type": "object",
                        "properties": { "payload": {
                            "type": "string",
                            "description": "A `block_actions` payload of Slack, as JSON.",
                        } },
                        "required": ["payload"],
                    } } },
                },
                "responses": {
                    "200": { "description": "It was taken in; what came of it is said in Slack." },
                    "400": fault,
                    "401": fault,
                    "404": fault,
                    "408": fault,
                    "413": fault,
                    "415": fault,
                    "503": fault,
                },
            },
        }),
    );
    let refused = |about: &str| json!({ "description": about, "content": text() });
    paths.insert(
        "/webhook/alertmanager".into(),
        json!({
            "post": {
                "operationId": "webhook",
                "summary": "Takes in a notification of Alertmanager; on disk before the answer.",
                "tags": ["machine"],
                "security": [{ "webhook_token": [] }, { "webhook_basic": [] }, {}],
                "requestBody": {
                    "required": true,
                    "content": { "application/json": { "schema": {
                        "type": "object",
                        "properties": { "alerts": { "type": "array", "items": { "$ref": "#/components/schemas/Alert" } } },
                        "required": ["alerts"],
                    } } },
                },
                "responses": {
                    "200": { "description": "It is on disk.", "content": object() },
                    "400": refused("It is no notification."),
                    "401": refused("Credentials are missing or not known."),
                    "403": refused("It comes from where it may not."),
                    "408": refused("It did not come in time."),
                    "413": refused("It is too long."),
                    "415": refused("It is packed in a way that is not known."),
                    "503": refused("It cannot be kept now; send it again."),
                },
            },
        }),
    );
}
