//! What `CLIENT LIST` says, and whose connection may be ended.

use redis::{Pipeline, pipe};
use serde::{Deserialize, Serialize};

use crate::server::CLIENT_NAME;
use crate::text::plain;

/// One connection to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: u64,
    /// Its own end, `ip:port`. Ids begin anew with the server; with this one, a connection is known again.
    pub(crate) addr: String,
    pub(crate) name: String,
    pub(crate) idle_seconds: u64,
    flags: String,
    subscriptions: u64,
}

/// How a connection is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: u64,
    pub(crate) addr: String,
    /// The name that it had given itself, for people; cut.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
}

/// What a connection is for, by its flags (`CLIENT LIST`, Redis' documentation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ordinary,
    /// A subscriber is silent by nature.
    Subscriber,
    /// A primary, a replica or a monitor.
    Infrastructure,
    /// Of selfheal.
    Own,
}

/// Asks for all connections.
pub(crate) fn question() -> Pipeline {
    let mut question = pipe();
    question.cmd("CLIENT").arg("LIST");
    question
}

/// Reads the list; a line without id or address is passed over.
pub(crate) fn parse(text: &[u8]) -> Vec<Client> {
    String::from_utf8_lossy(text).lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Client> {
    let field = |name: &str| {
        line.split(' ')
            .find_map(|field| field.split_once('=').filter(|(found, _)| *found == name))
            .map(|(_, v)| v)
    };
    let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or_default();
    Some(Client {
        id: field("id")?.parse().ok()?,
        addr: field("addr").filter(|addr| !addr.is_empty())?.to_owned(),
        name: field("name").unwrap_or_default().to_owned(),
        idle_seconds: number("idle"),
        flags: field("flags").unwrap_or_default().to_owned(),
        subscriptions: number("sub") + number("psub") + number("ssub"),
    })
}

impl Client {
    /// What it is for; `own` is the id of the connection that asks.
    pub(crate) fn role(&self, own: u64) -> Role {
        let has = |flags: &[char]| self.flags.contains(flags);
        if self.id == own || self.name.starts_with(CLIENT_NAME) {
            Role::Own
        } else if has(&['M', 'S', 'O']) {
            Role::Infrastructure
        } else if has(&['P']) || self.subscriptions > 0 {
            Role::Subscriber
        } else {
            Role::Ordinary
        }
    }

    /// Whether it waits for the server: in `BRPOP` and its like a busy worker looks idle.
    pub(crate) fn is_blocked(&self) -> bool {
        self.flags.contains('b')
    }

    /// Whether it is in the middle of a transaction.
    pub(crate) fn in_transaction(&self) -> bool {
        self.flags.contains('x')
    }

    /// How it will be known again.
    pub(crate) fn identity(&self) -> Identity {
        Identity { id: self.id, addr: self.addr.clone(), name: plain(&self.name) }
    }
}

impl Identity {
    /// Whether this is that connection.
    pub(crate) fn is(&self, client: &Client) -> bool {
        self.id == client.id && self.addr == client.addr
    }

    /// In the words of a text for people.
    pub(crate) fn describe(&self) -> String {
        match self.name.as_str() {
            "" => format!("client {} from {}", self.id, self.addr),
            name => format!("client {} from {} ({name})", self.id, self.addr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
id=3 addr=127.0.0.1:5001 laddr=127.0.0.1:6379 fd=8 name= age=90 idle=70 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1\n\
id=4 addr=127.0.0.1:5002 name=worker idle=60 flags=b sub=0\n\
id=5 addr=127.0.0.1:5003 name=selfheal-ledger idle=60 flags=N\n\
id=6 addr=127.0.0.1:5004 name= idle=60 flags=S\n\
id=7 addr=127.0.0.1:5005 name= idle=60 flags=N sub=1\n\
id=8 addr=127.0.0.1:5006 name= idle=60 flags=P\n\
id=9 addr=127.0.0.1:5007 name= idle=60 flags=x\n\
id=x addr=127.0.0.1:5008\n\
nonsense\n";

    #[test]
    fn connections_are_told_apart() {
        let clients = parse(LIST.as_bytes());
        let roles: Vec<(u64, Role)> = clients.iter().map(|client| (client.id, client.role(9))).collect();
        assert_eq!(
            roles,
            [
                (3, Role::Ordinary),
                (4, Role::Ordinary),
                (5, Role::Own),
                (6, Role::Infrastructure),
                (7, Role::Subscriber),
                (8, Role::Subscriber),
                (9, Role::Own),
            ]
        );
        assert_eq!(clients[0].idle_seconds, 70);
        assert!(clients[1].is_blocked() && !clients[0].is_blocked());
        assert!(clients[6].in_transaction());
    }

    #[test]
    fn a_connection_is_known_by_id_and_address() {
        let clients = parse(LIST.as_bytes());
        let identity = clients[1].identity();
        assert_eq!(identity.describe(), "client 4 from 127.0.0.1:5002 (worker)");
        assert!(identity.is(&clients[1]));
        assert!(!identity.is(&Client { addr: "127.0.0.1:9".to_owned(), ..clients[1].clone() }));
    }
}
