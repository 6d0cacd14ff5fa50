//! Tickets are opened and closed once, whatever happens to the answers.

use std::sync::Mutex;

use selfheal_core::issue::Outcome;
use selfheal_store::SqliteJournal;
use selfheal_test_servers::{HttpStandIn, Reply, Request};

use super::*;
use crate::sinks::testing::{clock, install_tls, news};

/// Tickets: the key that made it, and how it stands.
type Tickets = Arc<Mutex<Vec<(String, String)>>>;

fn requested(tickets: &Tickets, request: &Request) -> Reply {
    if request.header("authorization") != Some("Bearer token-0123456789") {
        return Reply::status(401);
    }
    let key = request.header("idempotency-key").unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut tickets = tickets.lock().unwrap();
    let number =
        |text: &str| text.strip_prefix("/tickets/T-").and_then(|number| number.parse::<usize>().ok());
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/tickets") if !key.is_empty() && body["status"] == "open" && body["title"].is_string() => {
            if let Some(place) = tickets.iter().position(|(known, _)| *known == key) {
                return Reply::status(409).json(json!({ "id": format!("T-{place}") }).to_string());
            }
            tickets.push((key, "open".to_owned()));
            Reply::status(201).json(json!({ "id": format!("T-{}", tickets.len() - 1) }).to_string())
        }
        ("PATCH", path) => match number(path).and_then(|number| tickets.get_mut(number)) {
            Some(ticket) => {
                ticket.1 = body["status"].as_str().unwrap_or_default().to_owned();
                Reply::status(204)
            }
            None => Reply::status(404),
        },
        _ => Reply::status(422),
    }
}

fn scene() -> (HttpStandIn, Tickets, Incidents, tempfile::TempDir) {
    install_tls();
    let (server, tickets) = (HttpStandIn::start().unwrap(), Tickets::default());
    let own = Arc::clone(&tickets);
    server.answer_by(move |request| requested(&own, request));
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(SqliteJournal::open(&directory.path().join("journal.sqlite")).unwrap());
    let settings = IncidentsSettings {
        name: "tickets".into(),
        url: Secret::new(format!("{}/tickets", server.url())),
        token: Secret::new("token-0123456789"),
        events: vec![NewsKind::Person],
        timeout: Duration::from_secs(5),
        external_url: Some("https://selfheal.example.org".into()),
    };
    let sink = Incidents::new(settings, clock(), journal).unwrap();
    (server, tickets, sink, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_opened_once_and_closed_once() {
    let (server, tickets, sink, _directory) = scene();
    let person = News { kind: NewsKind::Person, outcome: Some(Outcome::Stuck), ..news() };
    let closed = News { kind: NewsKind::Closed, ..news() };
    sink.deliver(&closed, "k0").await.unwrap();
    assert_eq!(server.count(), 0, "there is nothing to close");
    // The ticket is made, and the answer lost: the second try has the same key.
    let (own, lost) = (Arc::clone(&tickets), Arc::new(Mutex::new(true)));
    server.answer_by(move |request| {
        let reply = requested(&own, request);
        if std::mem::take(&mut *lost.lock().unwrap()) { Reply::hang_up() } else { reply }
    });
    assert!(sink.deliver(&person, "k1").await.unwrap_err().retry);
    sink.deliver(&person, "k1").await.unwrap();
    sink.deliver(&person, "k2").await.unwrap();
    assert_eq!(*tickets.lock().unwrap(), [("k1".to_owned(), "open".to_owned())]);
    for key in ["k3", "k4"] {
        sink.deliver(&closed, key).await.unwrap();
    }
    assert_eq!(*tickets.lock().unwrap(), [("k1".to_owned(), "closed".to_owned())]);
    assert_eq!(server.count(), 3, "what is closed is left alone");
    let ticket: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    assert_eq!(ticket["link"], "https://selfheal.example.org/#/issues/issue-17");
    assert_eq!(ticket["links"], json!([{ "name": "runbook", "url": "https://example.org/pg" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_understood() {
    let (server, tickets, sink, _directory) = scene();
    let person = News { kind: NewsKind::Person, title: "x".repeat(5000), ..news() };
    let cases = [
        (Reply::status(201).json("{}"), true, "no id"),
        (Reply::status(201).body("<html>"), true, "no id"),
        (Reply::status(503).header("retry-after", "9"), true, "answered 503"),
        (Reply::status(401), false, "the token is not accepted"),
        (Reply::status(422), false, "does not take this ticket"),
    ];
    for (reply, retry, part) in cases {
        server.script([reply]);
        let fault = sink.deliver(&person, "k").await.unwrap_err();
        assert_eq!(fault.retry, retry, "{fault}");
        assert!(fault.what.contains(part), "{fault}");
    }
    sink.deliver(&person, "k").await.unwrap();
    // Somebody has removed the ticket: it is as good as closed.
    tickets.lock().unwrap().clear();
    sink.deliver(&News { kind: NewsKind::Closed, ..news() }, "c").await.unwrap();
    sink.deliver(&News { kind: NewsKind::Closed, ..news() }, "c2").await.unwrap();
    assert_eq!(server.count(), 7);
}
