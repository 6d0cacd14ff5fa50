//! The floor of intake: an actix handler that parses the body and answers 200. What it does in a second is what the machine
//! and the client allow; everything that selfheal does beyond it is measured against it.

use std::net::SocketAddr;

use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser;
use selfheal_benches::wire::Notification;

/// As large as selfheal's own default.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Parses alerts and answers 200.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

async fn take(body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<Notification>(&body) {
        Ok(notification) => HttpResponse::Ok().body(format!("{}\n", notification.alerts.len())),
        Err(fault) => HttpResponse::BadRequest().body(fault.to_string()),
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let app = || {
        App::new()
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .route("/webhook/alertmanager", web::post().to(take))
            .route("/ready", web::get().to(HttpResponse::Ok))
    };
    HttpServer::new(app).bind(arguments.listen)?.run().await
}
