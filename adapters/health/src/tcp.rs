//! The probe `tcp`: whether a port takes connections.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, Probe, Reading, parameters};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::targets::Targets;
use crate::{HEALTHY, SECONDS, WHY, late, seconds_since};

parameters! {
    /// Asks whether a port takes connections.
    pub struct TcpParameters {
        /// The target's name in the configuration; it has `tcp`.
        pub target: String,
    }
}

/// The probe.
pub(crate) struct Tcp(pub(crate) Arc<Targets>);

#[async_trait]
impl Probe for Tcp {
    type Parameters = TcpParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "tcp",
            doc: "Whether a port takes connections. One is made and closed at once; nothing is sent or read.",
            fields: &[HEALTHY, SECONDS, WHY],
            main_field: "healthy",
            permissions: Vec::new(),
        }
    }

    fn check(&self, params: &TcpParameters) -> Result<(), Failure> {
        self.0.tcp(&params.target).map(drop)
    }

    async fn read(&self, params: &TcpParameters) -> Result<Reading, Failure> {
        let target = self.0.tcp(&params.target)?;
        let began = Instant::now();
        let connecting = TcpStream::connect((target.host.as_str(), target.port));
        let fault = match timeout(target.timeout.duration(), connecting).await {
            Ok(Ok(_)) => None,
            Ok(Err(fault)) => Some(fault.to_string()),
            Err(_) => Some(late(target.timeout)),
        };
        let why = fault.map(|fault| format!("{}:{}: {fault}", target.host, target.port));
        Ok(Reading::Known(json!({
            "healthy": why.is_none(),
            "seconds": seconds_since(began),
            "why": why.unwrap_or_default(),
        })))
    }
}
