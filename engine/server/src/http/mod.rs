//! What selfheal answers over HTTP.
//!
//! [`webhook`] takes notifications in ([`waiting`] answers until there is a journal to keep them), [`vitals`] are for orchestrators and Prometheus, [`api`] is for people and the
//! command line, [`dashboard`] has the page for browsers, [`live`] tells them what changes,
//! [`slack`] takes in what people press there. [`access`] knows who may come in, [`body`] reads what they send within its bounds, [`answer`] has the
//! shape of faults, [`packing`] makes long answers short. Handlers read the engine and call it; nothing is decided here.

mod access;
mod answer;
mod api;
mod body;
mod dashboard;
mod live;
mod packing;
pub(crate) mod schema;
pub(crate) mod slack;
mod vitals;
mod waiting;
mod webhook;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpServer};
use prometheus::Registry;
use selfheal_runtime::Engine;
use selfheal_runtime::ports::Entropy;
use tokio::net::TcpSocket;

pub use access::Access;
pub use api::{ROUTES, Route, Verb};
pub use waiting::Waiting;

use crate::clock::SystemEntropy;
use crate::config::Configuration;
use crate::insight::Insight;
use answer::Fault;
use body::{Bounds, Room};
use live::Live;
use vitals::Vitals;

/// The longest time for a notification to arrive; Alertmanager's own time-out is the group interval.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a notification waits for room among those being read; after it, Alertmanager is told to send it again.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// The longest body of an API request.
const API_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Room for API requests that are being read at the same time.
const API_ROOM_BYTES: usize = 32 * API_BODY_BYTES_MAX;
/// How long an unfinished request may keep a stopping server.
const STOP_SECONDS: u64 = 10;

/// Everything that the handlers share.
pub struct App {
    engine: Arc<Engine>,
    access: Access,
    entropy: Arc<dyn Entropy>,
    registry: Registry,
    vitals: Vitals,
    webhook: Door,
    api: Door,
    insight: Arc<Insight>,
    live: Live,
}

/// The bounds of what comes through one door.
struct Door {
    bounds: Bounds,
    room: Room,
}

/// What an [`App`] is made of, besides the engine.
pub struct AppSettings {
    /// Who may come in.
    pub access: Access,
    /// Where trace ids come from.
    pub entropy: Arc<dyn Entropy>,
    /// What `/metrics` shows. Must hold the engine's metrics already.
    pub registry: Registry,
    /// The longest notification, in bytes, unpacked.
    pub body_max: usize,
    /// All notifications that are being read at the same time, in bytes.
    pub in_flight_max: usize,
    /// The longest time for a body to arrive.
    pub body_timeout: Duration,
    /// The longest wait for room among the bodies being read.
    pub room_wait: Duration,
}

impl App {
    /// Makes the handlers' common ground, and registers the metrics that only the server knows. Must be called within the
    /// runtime: the live stream begins.
    ///
    /// # Errors
    /// A metric's name is registered already.
    pub fn new(engine: Arc<Engine>, settings: AppSettings) -> Result<Self, prometheus::Error> {
        let AppSettings { access, entropy, registry, body_max, in_flight_max, body_timeout, room_wait } =
            settings;
        let vitals = Vitals::register(&registry, engine.clock.monotonic())?;
        let door = |bytes_max, room| Door {
            bounds: Bounds { bytes_max, timeout: body_timeout },
            room: Room::new(room, room_wait),
        };
        let (webhook, api) = (door(body_max, in_flight_max), door(API_BODY_BYTES_MAX, API_ROOM_BYTES));
        let insight = Arc::new(Insight::new(Arc::clone(&engine)));
        let live = Live::start(Arc::clone(&engine), Arc::clone(&insight));
        Ok(Self { engine, access, entropy, registry, vitals, webhook, api, insight, live })
    }

    /// Sends away all who listen to the live stream, so that the server can stop.
    pub fn close(&self) {
        self.live.close();
    }

    /// Counts a request that was refused before anything of it was used.
    fn count_refused(&self, input: &str, reason: &str) {
        self.engine.metrics.validation_failures.with_label_values(&[input, reason]).inc();
    }
}

/// Adds all routes.
pub fn configure(service: &mut ServiceConfig, app: Data<App>) {
    service.app_data(app);
    service.configure(webhook::routes).configure(vitals::routes).configure(api::routes);
    service.default_service(web::to(unknown));
}

/// Connections that may wait to be taken in.
const BACKLOG: u32 = 1024;

/// Opens the door at an address: whoever comes waits until a server takes them in. Must be called within the runtime.
///
/// # Errors
/// The address cannot be used.
pub fn open_door(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // After a restart the address may still be in use by connections that have ended.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Gives the server at this door, which runs when it is polled, and what it serves. Signals are the caller's.
///
/// # Errors
/// The door cannot be used, or a metric's name is registered already.
pub fn start(
    configuration: &Configuration,
    door: TcpListener,
    engine: Arc<Engine>,
    registry: Registry,
) -> io::Result<(Server, Data<App>)> {
    let intake = &configuration.intake;
    let settings = AppSettings {
        access: Access::new(&intake.credentials, &configuration.api.tokens),
        entropy: Arc::new(SystemEntropy),
        registry,
        body_max: intake.body_max.count(),
        in_flight_max: intake.in_flight_max.count(),
        body_timeout: BODY_TIMEOUT,
        room_wait: ROOM_WAIT,
    };
    let slack = slack::Door::new(configuration, &engine).map_err(io::Error::other)?.map(Data::new);
    let app = Data::new(App::new(engine, settings).map_err(io::Error::other)?);
    let shared = app.clone();
    let server = HttpServer::new(move || {
        let (app, slack) = (shared.clone(), slack.clone());
        actix_web::App::new()
            .configure(slack::routes(slack))
            .configure(move |service| configure(service, app))
    });
    let server = server.disable_signals().shutdown_timeout(STOP_SECONDS).listen(door)?;
    Ok((server.run(), app))
}

/// What no route is for: a file of the dashboard, or nothing.
async fn unknown(request: HttpRequest) -> HttpResponse {
    if let Some(file) = dashboard::file(&request) {
        return file;
    }
    let path: String = request.path().chars().take(200).collect();
    let fault = Fault::missing(format!("there is nothing at {path:?}"))
        .help("alerts go to /webhook/alertmanager, the API is under /api/self-healing/");
    answer::secured(fault.into_json())
}

#[cfg(test)]
pub(crate) mod tests;
