//! A request, taken apart: which resource, which object, which part, which options.

use crate::{refusal::Refusal, resource::Resource};
use bytes::Bytes;
use hyper::{Method, http::request::Parts};
use std::collections::BTreeMap;

/// A request whose body is read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// In the order in which they came; `command` may come often.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

/// What the path of a resource names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) plural: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) subresource: &'a str,
}

impl Call {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let headers = parts.headers.iter();
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: query(parts.uri.query().unwrap_or_default()),
            headers: headers
                .map(|(name, value)| {
                    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.option(name), Some("true" | "1"))
    }

    /// Whether nothing shall be stored.
    pub(crate) fn dry_run(&self) -> Result<bool, Refusal> {
        match self.option("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refusal::bad_request(format!(
                "dryRun: Unsupported value: \"{other}\": supported values: \"All\""
            ))),
        }
    }

    /// The verb of access rules.
    pub(crate) fn verb(&self, place: &Place) -> &'static str {
        match self.method.as_str() {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if place.name.is_none() => "deletecollection",
            "DELETE" => "delete",
            _ if self.flag("watch") => "watch",
            _ if place.name.is_none() => "list",
            _ => "get",
        }
    }
}

impl<'a> Place<'a> {
    /// From a path such as `/apis/apps/v1/namespaces/shop/deployments/web/scale`.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            // `namespaces/shop/status` is a subresource of the namespace itself.
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            _ => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, ""),
            [plural, name] => (*plural, Some(*name), ""),
            [plural, name, subresource] => (*plural, Some(*name), *subresource),
            _ => return None,
        };
        Some(Self { group, version, namespace, plural, name, subresource })
    }

    /// `pods` or `pods/exec`, as access rules name it.
    pub(crate) fn resource(&self) -> String {
        if self.subresource.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}/{}", self.plural, self.subresource)
        }
    }

    pub(crate) fn fits(&self, resource: &Resource) -> bool {
        resource.is(self.group, self.plural) && resource.version == self.version
    }
}

fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

/// The text behind `%41` and `+`.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0);
                let (high, low) = (digit(), digit());
                u8::try_from(high * 16 + low).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_places() {
        let place = |group, version, namespace, plural, name, subresource| {
            Some(Place { group, version, namespace, plural, name, subresource })
        };
        for (path, expected) in [
            ("/api/v1/pods", place("", "v1", None, "pods", None, "")),
            ("/api/v1/namespaces/shop", place("", "v1", None, "namespaces", Some("shop"), "")),
            ("/api/v1/namespaces/shop/status", place("", "v1", None, "namespaces", Some("shop"), "status")),
            ("/api/v1/namespaces/shop/pods/a/exec", place("", "v1", Some("shop"), "pods", Some("a"), "exec")),
            (
                "/apis/apps/v1/namespaces/shop/deployments/web/scale",
                place("apps", "v1", Some("shop"), "deployments", Some("web"), "scale"),
            ),
            ("/version", None),
            ("/apis/apps/v1", None),
        ] {
            assert_eq!(Place::parse(path), expected, "{path}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let expected = [("labelSelector", "app in (a,b)"), ("watch", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(query("labelSelector=app+in%20%28a%2cb)&watch"), expected);
    }
}
