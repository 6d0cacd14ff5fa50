//! A journal on PostgreSQL that cannot be reached while selfheal starts is waited for, since replicas and their database
//! often start together; meanwhile `/ready` and the log say why. What waiting does not mend ends the start.

use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use selfheal_runtime::ports::Journal;

use crate::assemble::{self, AssembleFault};
use crate::config::Configuration;
use crate::http;
use crate::serve::ServeFault;

/// The first wait between two tries; it doubles up to the second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// The journal, and the door to serve at if it was opened already.
pub type Opened = (Arc<dyn Journal>, Option<TcpListener>);

/// Opens the journal, as soon as it can be reached; `None` when told to stop before.
///
/// # Errors
/// It cannot be used, also when it is reached; or the address cannot be.
pub async fn journal(
    configuration: &Configuration,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<Opened>, ServeFault> {
    let mut waiting: Option<(TcpListener, http::Waiting)> = None;
    let mut pause = RETRY_FIRST;
    loop {
        let opened = tokio::select! {
            opened = assemble::journal(configuration) => opened,
            () = &mut stop => break,
        };
        let why = match opened {
            Ok(journal) => {
                let Some((door, server)) = waiting else { return Ok(Some((journal, None))) };
                server.end().await;
                tracing::info!("the journal is reached, selfheal starts");
                return Ok(Some((journal, Some(door))));
            }
            Err(AssembleFault::Unreachable(why)) => why,
            Err(fault) => return Err(fault.into()),
        };
        tracing::warn!(why, retry_in = ?pause, "the journal cannot be reached: selfheal waits for it");
        match &waiting {
            Some((_, server)) => server.say(why),
            None => waiting = Some(open_door(configuration, why)?),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut stop => break,
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
    if let Some((_, server)) = waiting {
        server.end().await;
    }
    Ok(None)
}

fn open_door(configuration: &Configuration, why: String) -> Result<(TcpListener, http::Waiting), ServeFault> {
    let address = configuration.listen;
    let opened = http::open_door(address).and_then(|door| {
        let server = http::Waiting::start(&door, why)?;
        Ok((door, server))
    });
    opened.map_err(|fault| ServeFault::Listen { address, fault })
}
