//! What is answered while the journal cannot be reached yet: that the process lives, that it is not ready and why, and that
//! everything else is to be asked again later. Alertmanager sends again what it got 503 for.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, HttpServer, guard};
use arc_swap::ArcSwap;
use serde_json::json;

use super::answer::{self, Fault};

/// Seconds after which to ask again.
const AGAIN: HeaderValue = HeaderValue::from_static("10");

/// Why it is waited.
type Why = ArcSwap<String>;

/// A server that says that it is waited for the journal.
pub struct Waiting {
    why: Data<Why>,
    handle: ServerHandle,
}

impl Waiting {
    /// Begins to answer at this door, which stays open when it ends.
    ///
    /// # Errors
    /// The door cannot be used.
    pub fn start(door: &TcpListener, why: String) -> io::Result<Self> {
        let why = Data::new(Why::from_pointee(why));
        let shared = why.clone();
        let server: Server = HttpServer::new(move || {
            let why = shared.clone();
            actix_web::App::new().configure(move |service| routes(service, why))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(door.try_clone()?)?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { why, handle })
    }

    /// Says another reason from now on.
    pub fn say(&self, why: String) {
        self.why.store(Arc::new(why));
    }

    /// Ends what is being answered, and then answers no more.
    pub async fn end(self) {
        self.handle.stop(true).await;
    }
}

fn routes(service: &mut ServiceConfig, why: Data<Why>) {
    // Some load balancers ask with HEAD.
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    service
        .app_data(why)
        .route("/health", read().to(health))
        .route("/ready", read().to(ready))
        .default_service(web::to(later));
}

async fn health() -> HttpResponse {
    let body = json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") });
    answer::secured(answer::json(StatusCode::OK, &body))
}

async fn ready(why: Data<Why>) -> HttpResponse {
    let why = why.load();
    let body = json!({
        "status": "not_ready",
        "reasons": [*why],
        "journal": { "ok": false, "why": *why },
    });
    answer::secured(answer::json(StatusCode::SERVICE_UNAVAILABLE, &body))
}

async fn later() -> HttpResponse {
    let fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "selfheal starts, and waits for its journal")
        .help("try again; /ready says what is wrong")
        .header(RETRY_AFTER, AGAIN);
    answer::secured(fault.into_json())
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    #[actix_web::test]
    async fn it_says_why_and_when_to_come_again() {
        let why = Data::new(Why::from_pointee("no database".to_owned()));
        let app = actix_web::App::new().configure(|service| routes(service, why.clone()));
        let app = init_service(app).await;
        let cases = [
            (TestRequest::get().uri("/health"), 200, "alive"),
            (TestRequest::get().uri("/ready"), 503, "no database"),
            (TestRequest::post().uri("/webhook/alertmanager"), 503, "/ready says"),
            (TestRequest::get().uri("/metrics"), 503, "try again"),
        ];
        for (request, status, part) in cases {
            let answer = call_service(&app, request.to_request()).await;
            assert_eq!(answer.status(), status);
            let again = answer.headers().contains_key(RETRY_AFTER);
            let body = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
            assert!(body.contains(part), "{body}");
            assert_eq!(again, part.contains("try again") || part.contains("/ready"), "{body}");
        }
    }
}
