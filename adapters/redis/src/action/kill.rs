//! Ending connections by who they are: what the two killing actions share.

use redis::pipe;
use selfheal_contract::{Applied, Failure};
use serde_json::json;

use crate::clients::{self, Client, Identity, Role};
use crate::server::Server;
use crate::text::count;

/// Connections that a preview or a record names one by one.
pub(super) const NAMED_MAX: usize = 50;

/// The connections of a server, each with what it is for.
pub(super) async fn list(server: &Server) -> Result<Vec<(Role, Client)>, Failure> {
    let ((text,), own): ((Vec<u8>,), _) = server.read_as(&clients::question()).await?;
    // Without it selfheal could end its own connection, and could not tell whether it did.
    let own = own.ok_or_else(|| {
        Failure::refused(format!(
            "{server} does not tell selfheal its own client id; grant its user +client|id"
        ))
    })?;
    Ok(clients::parse(&text).into_iter().map(|client| (client.role(own), client)).collect())
}

/// Ends these connections, each only if it is still the same, ordinary and not the one that asks. Says which went.
pub(super) async fn end(server: &Server, doomed: &[Identity]) -> Result<Applied, Failure> {
    if doomed.is_empty() {
        return Ok(Applied::new(format!("{server} has no such client (any more)")));
    }
    let mut change = pipe();
    for Identity { id, addr, .. } in doomed {
        change.cmd("CLIENT").arg("KILL").arg("ID").arg(*id).arg("ADDR").arg(addr);
        change.arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
    }
    let ended: Vec<i64> = server.change(&change).await?;
    let ended: Vec<&Identity> =
        doomed.iter().zip(ended).filter(|(_, ended)| *ended > 0).map(|(identity, _)| identity).collect();
    let summary = match ended[..] {
        [] => format!("the clients of {server} had gone already"),
        [one] => format!("ended {} at {server}", one.describe()),
        _ => format!("ended {} at {server}", count(ended.len() as u64, "client")),
    };
    let named: Vec<&Identity> = ended.iter().copied().take(NAMED_MAX).collect();
    Ok(Applied { summary, facts: json!({ "ended": ended.len(), "clients": named }), ..Applied::default() })
}
