//! `k8s::certificate`: a certificate of cert-manager, and how long it is still good.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::json;

use super::field;
use crate::context::Context;
use crate::times::{seconds, time};

selfheal_contract::parameters! {
    /// Which certificate.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Context>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "certificate",
            doc: "A certificate of cert-manager: until when it is good, and whether it is being renewed. Days are counted by the \
                API server's clock. Inconclusive before the first certificate was issued.",
            fields: const {
                &[
                    field("not_after", "Until when it is good, in seconds since 1970."),
                    field(
                        "days_left",
                        "How long that is from now, in days and fractions; negative when it is over.",
                    ),
                    field("ready", "Whether it is good and matches its specification."),
                    field("renewing", "Whether cert-manager is issuing a new one."),
                    field("revision", "How often it was issued."),
                    field(
                        "renewal",
                        "When cert-manager means to renew it, in seconds since 1970; null when it does not say.",
                    ),
                    field("issuer", "The name of its issuer."),
                    field("failures", "Attempts to issue that failed since the last that did not."),
                ]
            },
            main_field: "days_left",
            permissions: vec![right("get", &kinds::CERTIFICATE, "to read the certificate")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::CERTIFICATE, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place = self.0.place(&params.cluster, &kinds::CERTIFICATE, &params.namespace, &params.name)?;
        let certificate = place.cluster.get(place.of).await?;
        let Some(not_after) = time(certificate.at("/status/notAfter")) else {
            return Ok(Reading::Inconclusive(format!("{} has not been issued yet", place.of)));
        };
        let left = not_after.as_second() - certificate.read_at()?.as_second();
        Ok(Reading::Known(json!({
            "not_after": not_after.as_second(),
            "days_left": left as f64 / 86_400.0,
            "ready": certificate.condition_holds("Ready"),
            "renewing": certificate.condition_holds("Issuing"),
            "revision": certificate.number("/status/revision").unwrap_or_default(),
            "renewal": seconds(certificate.at("/status/renewalTime")),
            "issuer": certificate.text("/spec/issuerRef/name"),
            "failures": certificate.number("/status/failedIssuanceAttempts").unwrap_or_default(),
        })))
    }
}
