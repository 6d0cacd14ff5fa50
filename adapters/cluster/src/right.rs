//! A right at an API server, in the words of its roles.

use selfheal_contract::Permission;

use crate::kind::Kind;

/// The right to use these verbs on a kind, or on one of its subresources: `get,patch deployments.apps`.
pub fn right(verbs: &str, kind: &Kind, subresource: Option<&str>, purpose: &'static str) -> Permission {
    let group = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
    let subresource = subresource.map(|name| format!("/{name}")).unwrap_or_default();
    Permission { right: format!("{verbs} {}{group}{subresource}", kind.plural), purpose }
}
