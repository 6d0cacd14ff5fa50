//! `/issues/{id}/report`: the report of an incident, in Markdown.

use actix_web::HttpResponse;
use schemars::JsonSchema;
use selfheal_core::issue::IssueId;

use super::{Answered, Call, issues};
use crate::report;

/// Its path among the routes.
pub(super) const PATH: &str = "/issues/{id}/report";

/// Text in Markdown.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[expect(dead_code, reason = "it only says what the answer looks like")]
pub(super) struct Markdown(String);

/// The report of one issue, as it stands now.
pub(super) async fn one(call: Call) -> Answered {
    let id: IssueId = call.named("id")?;
    let story = call.app.engine.journal.story(id).await?.ok_or_else(|| issues::missing(id))?;
    Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(report::markdown(&story)))
}
