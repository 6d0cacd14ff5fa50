//! Who would take a change of an object's fields back: what [`crate::gitops`] finds, in the words of a plan.

use selfheal_contract::{Contest, Failure};

use crate::cluster::Cluster;
use crate::gitops::contested_by;
use crate::kind::Reference;

/// Who would set these fields of an object back by themselves; the form of a field is that of [`crate::gitops`].
///
/// # Errors
/// As for [`Cluster::get`].
pub async fn contest(
    cluster: &Cluster,
    of: Reference<'_>,
    fields: &[Vec<impl AsRef<str>>],
) -> Result<Option<Contest>, Failure> {
    let object = cluster.get(of).await?;
    Ok(contested_by(&object, fields).map(|by| Contest {
        by,
        what: fields.iter().map(|field| format!("{} of {of}", shown(field))).collect(),
        instead: "change it in the repository, or take the field out of what is kept there".to_owned(),
    }))
}

/// `spec.template.spec.containers[app].resources`.
fn shown(field: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for name in field.iter().map(AsRef::as_ref) {
        match name.strip_prefix("k:{\"name\":\"").and_then(|rest| rest.strip_suffix("\"}")) {
            Some(item) => text.push_str(&format!("[{item}]")),
            None if text.is_empty() => text.push_str(name),
            None => text.push_str(&format!(".{name}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_shown_as_people_write_them() {
        for (field, expected) in [
            (&["spec", "paused"] as &[&str], "spec.paused"),
            (
                &["spec", "template", "spec", "containers", "k:{\"name\":\"app\"}", "image"],
                "spec.template.spec.containers[app].image",
            ),
        ] {
            assert_eq!(shown(field), expected);
        }
    }
}
