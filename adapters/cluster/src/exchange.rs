//! One exchange with an API server: the request as it is sent, and what stands in the log and in failures about it.

use std::fmt::Write as _;

use http::Method;
use selfheal_contract::Failure;
use serde_json::Value;

use crate::kind::Kind;

/// How a patch is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7396: lists are replaced whole. What custom resources understand.
    Merge,
    /// Kubernetes' own: containers and the like are found by their names. Built-in kinds only.
    Strategic,
    /// RFC 6902: operations, `test` among them.
    Json,
}

impl PatchKind {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Json => "application/json-patch+json",
        }
    }
}

/// Whether a change is made, or only tried out by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is made.
    Real,
    /// It is made although somebody else keeps what it sets, under a name of its own.
    Contesting,
    /// The server answers as if, admission and all, and stores nothing.
    Dry,
}

/// What was asked, for failures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The verb of the right that it takes.
    pub(crate) verb: &'a str,
    /// The resource of that right: `deployments.apps/scale`.
    pub(crate) resource: &'a str,
    /// What it is about: `deployment shop/web`.
    pub(crate) subject: &'a str,
    /// Whether it changes something once it has been sent.
    pub(crate) changes: bool,
}

/// A request, ready to be sent as often as needed.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) verb: &'static str,
    pub(crate) resource: String,
    pub(crate) subject: String,
    pub(crate) changes: bool,
    method: Method,
    uri: String,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Who selfheal is in `managedFields`, and in the server's audit log.
pub(crate) const FIELD_MANAGER: &str = "selfheal";

/// Who it is there for fields that somebody else keeps, so that nobody takes them for its own afterwards: `managedFields`
/// names only who has set a field last.
const CONTESTING_MANAGER: &str = "selfheal-contesting";

impl Question {
    pub(crate) fn new(
        verb: &'static str,
        kind: &Kind,
        subresource: Option<&str>,
        subject: String,
        path: String,
    ) -> Self {
        let mut resource = kind.plural.to_owned();
        if !kind.group.is_empty() {
            let _ = write!(resource, ".{}", kind.group);
        }
        if let Some(subresource) = subresource {
            let _ = write!(resource, "/{subresource}");
        }
        let method = match verb {
            "create" => Method::POST,
            "patch" => Method::PATCH,
            "delete" => Method::DELETE,
            _ => Method::GET,
        };
        let content_type = "application/json";
        Self { verb, resource, subject, changes: false, method, uri: path, content_type, body: Vec::new() }
    }

    /// Adds `name=value` to the address.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.uri.push(if self.uri.contains('?') { '&' } else { '?' });
        self.uri.push_str(&form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish());
        self
    }

    /// Adds a body.
    pub(crate) fn body(mut self, content_type: &'static str, body: &Value) -> Self {
        self.content_type = content_type;
        self.body = body.to_string().into_bytes();
        self
    }

    /// Makes it a change, or a trial of one.
    pub(crate) fn run(mut self, run: Run) -> Self {
        self.changes = run != Run::Dry;
        let manager = if run == Run::Contesting { CONTESTING_MANAGER } else { FIELD_MANAGER };
        if self.method != Method::DELETE {
            self = self.query("fieldManager", manager);
        }
        if self.changes { self } else { self.query("dryRun", "All") }
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked { verb: self.verb, resource: &self.resource, subject: &self.subject, changes: self.changes }
    }

    pub(crate) fn request(&self) -> Result<http::Request<kube::client::Body>, Failure> {
        http::Request::builder()
            .method(self.method.clone())
            .uri(&self.uri)
            .header(http::header::CONTENT_TYPE, self.content_type)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::USER_AGENT, FIELD_MANAGER)
            .body(kube::client::Body::from(self.body.clone()))
            .map_err(|fault| Failure::refused(format!("{} has no valid address: {fault}", self.subject)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::kinds;

    #[test]
    fn a_question_is_encoded() {
        let question = Question::new("patch", &kinds::DEPLOYMENT, Some("scale"), "x".into(), "/p".into())
            .query("labelSelector", "a=b,c in (d)&limit=1")
            .run(Run::Dry);
        assert_eq!(
            question.uri,
            "/p?labelSelector=a%3Db%2Cc+in+%28d%29%26limit%3D1&fieldManager=selfheal&dryRun=All"
        );
        assert_eq!(question.resource, "deployments.apps/scale");
        assert!(!question.changes);
    }
}
