//! `redis::config`: one parameter of a server.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use redis::pipe;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::json;

use super::right;
use crate::targets::{self, Targets};

selfheal_contract::parameters! {
    /// Which parameter of which server.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The parameter's name, such as maxmemory-policy.
        pub parameter: String,
    }
}

pub(super) struct Probe(pub(super) Arc<Targets>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "config",
            doc: "A parameter of a server as it is in force now. Only parameters that selfheal knows can be read, so that no \
                password is. Inconclusive when the server's version does not have it.",
            fields: &[FieldSpec {
                name: "value",
                doc: "Its value: a number for amounts, in bytes, and for counts; else text.",
            }],
            main_field: "value",
            permissions: vec![right("+config|get", "to read the parameter")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target)?;
        targets::setting(&params.parameter).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let setting = targets::setting(&params.parameter)?;
        let mut question = pipe();
        question.cmd("CONFIG").arg("GET").arg(setting.name);
        let (mut found,): (HashMap<String, String>,) = self.0.find(&params.target)?.read(&question).await?;
        Ok(match found.remove(setting.name) {
            Some(value) => Reading::Known(json!({ "value": setting.reading(&value) })),
            None => Reading::Inconclusive(format!("the server has no parameter {:?}", setting.name)),
        })
    }
}
