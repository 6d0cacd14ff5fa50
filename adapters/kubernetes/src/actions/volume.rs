//! `k8s::grow_pvc`: the size that a claim of storage asks for.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, PatchKind, Quantity, Reference, kinds, object_name, quoted, right};
use selfheal_contract::{About, Assessment, BlastRadius, Failure, Reversal};
use serde_json::json;

use super::setting::{Field, Setting, path};
use crate::context::{Context, Place};

selfheal_contract::parameters! {
    /// Which claim, and its size.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The size, as Kubernetes writes it: "12Gi".
        pub size: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Grow(pub(super) Arc<Context>);

impl Grow {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        self.0.place(&params.cluster, &kinds::CLAIM, &params.namespace, &params.name)
    }

    fn size(params: &Parameters) -> Result<Quantity, Failure> {
        params.size.parse().map_err(|fault| {
            Failure::refused(format!("the size {} cannot be set: {fault}", quoted(&params.size)))
        })
    }
}

#[async_trait]
impl Setting for Grow {
    type Parameters = Parameters;

    fn about(&self) -> About {
        About {
            name: "grow_pvc",
            doc: "Makes a claim of storage ask for more. Refused when its storage class does not let it grow, and when the size \
                is smaller than now. Volumes never shrink, so there is no undo. With some drivers the file system grows only \
                when the pod starts again.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("get", &kinds::CLAIM, "to read the claim"),
                right("patch", &kinds::CLAIM, "to set the size"),
                right("get", &kinds::STORAGE_CLASS, "to know whether it may grow"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        Self::size(params)?;
        Ok(self.place(params)?.assessment(BlastRadius::Item, Reversal::Irreversible))
    }

    fn edit<'a>(&'a self, params: &'a Parameters) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let size = Self::size(params)?;
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            patch: PatchKind::Merge,
            what: "the size".to_owned(),
            read: Box::new(move |object| {
                let text = object.text("/spec/resources/requests/storage");
                let current: Quantity = text
                    .parse()
                    .map_err(|fault| Failure::refused(format!("{of} asks for {}: {fault}", quoted(text))))?;
                if current.amount() > size.amount() {
                    return Err(Failure::refused(format!(
                        "{of} asks for {current}, more than {size}; volumes never shrink"
                    )));
                }
                // The same size in another spelling is the same size.
                let same = current.amount() == size.amount();
                Ok(json!(if same { size } else { current }.to_string()))
            }),
            write: Box::new(|size| json!({ "spec": { "resources": { "requests": { "storage": size } } } })),
            wanted: json!(size.to_string()),
        })
    }

    async fn fields(&self, _: &Parameters) -> Result<Vec<Field>, Failure> {
        Ok(vec![path(&["spec", "resources", "requests", "storage"])])
    }

    async fn check(&self, params: &Parameters) -> Result<(), Failure> {
        let Place { cluster, of } = self.place(params)?;
        let claim = cluster.get(of).await?;
        let class = claim.text("/spec/storageClassName");
        let refused = |why: &str| Err(Failure::refused(format!("{of} cannot grow: {why}")));
        if object_name("the storage class", class).is_err() {
            return refused("it has no storage class");
        }
        match cluster.find(Reference::of_cluster(&kinds::STORAGE_CLASS, class)).await? {
            Some(found) if found.at("/allowVolumeExpansion") == true => Ok(()),
            Some(_) => refused(&format!("its storage class {class} has no allowVolumeExpansion: true")),
            None => refused(&format!("its storage class {class} is not there")),
        }
    }
}
