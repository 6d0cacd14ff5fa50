//! `argo::set_image`: a container of a rollout gets another image.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use selfheal_cluster::template::{self, LISTS};
use selfheal_cluster::{Edit, PatchKind, kinds, label_name, quoted, right};
use selfheal_contract::{About, Failure, Reversal};
use serde_json::json;

use super::setting::{Aim, Setting, path};
use crate::context::{Context, Place};
use crate::workload::{home, read_home, referred};

/// Bytes of an image's name: 255 for repository and registry, 128 for the tag, 72 for a digest.
const IMAGE_BYTES_MAX: usize = 512;

selfheal_contract::parameters! {
    /// Which container, and its image.
    pub struct Parameters {
        /// The rollout's namespace.
        pub namespace: String,
        /// The rollout's name.
        pub name: String,
        /// The name of the container, or of an init container.
        pub container: String,
        /// The image, best with a digest, which always names the same: registry.example/shop@sha256:...
        pub image: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct SetImage(pub(super) Arc<Context>);

fn check_image(image: &str) -> Result<(), Failure> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    let fits = (1..=IMAGE_BYTES_MAX).contains(&image.len())
        && image.bytes().all(allowed)
        && image.starts_with(|first: char| first.is_ascii_alphanumeric())
        && image.ends_with(|last: char| last.is_ascii_alphanumeric());
    if fits {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the image {} cannot be one: expected a form such as registry.example/shop:1.2 or shop@sha256:...",
        quoted(image)
    )))
}

#[async_trait]
impl Setting for SetImage {
    type Parameters = Parameters;

    fn about(&self) -> About {
        About {
            name: "set_image",
            doc: "Gives a container of a rollout another image, which is an update by the rollout's own strategy. With \
                `workloadRef` it is the deployment's template that is changed. Refused when there is no such container. The undo \
                puts the image back that was there before, unless somebody else has changed it meanwhile.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the pod template"),
                right("patch", &kinds::ROLLOUT, "to set the image"),
                right("get", &kinds::DEPLOYMENT, "to read the pod template of workloadRef"),
                right("patch", &kinds::DEPLOYMENT, "to set the image in workloadRef"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        label_name("the container", &params.container)?;
        check_image(&params.image)?;
        self.0.rollout(&params.cluster, &params.namespace, &params.name)
    }

    async fn aim(&self, params: &Parameters, place: Place<'_>) -> Result<Aim, Failure> {
        let rollout = place.cluster.get(place.of).await?;
        let deployment = referred(&rollout)?;
        let home = read_home(place.cluster, place.of, rollout, deployment.as_deref()).await?;
        let list = template::container(&home, &params.container)?.list.to_owned();
        Ok(Aim { wanted: json!(params.image), deployment, list: Some(list) })
    }

    fn edit<'a>(
        &'a self,
        params: &'a Parameters,
        place: Place<'a>,
        aim: &'a Aim,
    ) -> Result<Edit<'a>, Failure> {
        // A custom resource's containers are found by position alone, and the position may have moved: it is that of the
        // state which was read last, and which the patch has as its precondition.
        let found = Arc::new(Mutex::new(String::new()));
        let last = Arc::clone(&found);
        Ok(Edit {
            cluster: place.cluster,
            of: home(place.of, aim.deployment.as_deref()),
            subresource: None,
            patch: PatchKind::Json,
            what: format!("the image of container {}", params.container),
            read: Box::new(move |object| {
                let container = template::container(object, &params.container)?;
                let path = format!("/spec/template/spec/{}/{}/image", container.list, container.position);
                *found.lock().unwrap_or_else(PoisonError::into_inner) = path;
                Ok(json!(container.json["image"].as_str().unwrap_or_default()))
            }),
            write: Box::new(move |image| {
                let path = last.lock().unwrap_or_else(PoisonError::into_inner);
                json!([{ "op": "add", "path": *path, "value": image }])
            }),
            wanted: aim.wanted.clone(),
        })
    }

    fn fields(&self, params: &Parameters, aim: &Aim) -> Vec<Vec<String>> {
        let list = aim.list.as_deref().unwrap_or(LISTS[0]);
        let mut field = path(&["spec", "template", "spec", list]);
        // The definition of rollouts has containers as a list that belongs to one owner as a whole.
        if aim.deployment.is_some() {
            field.extend([format!("k:{{\"name\":\"{}\"}}", params.container), "image".to_owned()]);
        }
        vec![field]
    }

    fn told(&self, params: &Parameters, of: &str, done: bool) -> String {
        let verb = if done { "set" } else { "sets" };
        format!("{verb} the image of container {} of {of} to {}", params.container, params.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_names_and_nothing_else() {
        for (image, fine) in [
            ("shop", true),
            ("shop:1.2", true),
            ("registry.example:5000/team/shop:1.2_3-rc", true),
            ("shop@sha256:0123456789abcdef", true),
            ("", false),
            ("shop 1", false),
            ("shop:", false),
            ("/shop", false),
            ("shop\n", false),
            ("${IMAGE}", false),
        ] {
            assert_eq!(check_image(image).is_ok(), fine, "{image:?}");
        }
    }
}
