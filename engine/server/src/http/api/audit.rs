//! The head of the audit chain, for whoever keeps it elsewhere.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answered, Call, ok};

/// Where the audit chain ends.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "AuditHead")]
pub(super) struct HeadView {
    /// The number of the last link and its hash, as `selfheal audit verify --head` takes them.
    head: String,
    /// The head with the key's name and the signature, where audit.key is set; `--head` takes this as well.
    signed: Option<String>,
    /// The number of the last link; there is one for each record since the chain began.
    seq: u64,
    /// The hash of the last link, which holds that of the one before: 64 hexadecimal digits.
    hash: String,
    /// The number of the first record that has a link.
    first_record: i64,
}

pub(super) async fn head(call: Call) -> Answered {
    let (chain, signed) = call.app.engine.audit_head().await?;
    let head = chain.head;
    ok(&HeadView {
        head: head.to_string(),
        signed: signed.map(|signed| signed.to_string()),
        seq: head.seq,
        hash: head.hash.to_string(),
        first_record: chain.first,
    })
}
