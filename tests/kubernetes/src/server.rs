//! HTTP: from a connection to an answer.

use crate::{
    access::Access,
    call::{Call, Place},
    cluster::Cluster,
    discovery, exec,
    exec::ExecRun,
    faults::Fault,
    objects,
    refusal::Refusal,
    store::Key,
    watch,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response, body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// As the real server's limit for a request.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

type Body = BoxBody<Bytes, io::Error>;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, cluster: Arc<Cluster>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Small answers would wait for the client's acknowledgement otherwise; a socket without the option still works.
                let _ = stream.set_nodelay(true);
                let cluster = Arc::clone(&cluster);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&cluster), request));
                    // A client that goes away, or a cut that the test ordered, is no fault of this server.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The answer to one request; an error ends the connection without one.
async fn answer(cluster: Arc<Cluster>, mut request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let upgrade = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, BODY_BYTES_MAX)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let call = Call::new(&parts, body);
    let fault = cluster.faults.take(call.method.as_str(), &call.path);
    match &fault {
        Some(Fault::Reset) => return Err(io::Error::other("the test resets the connection")),
        Some(Fault::Hang) => time::sleep(Duration::MAX).await,
        Some(Fault::Delay(delay)) => time::sleep(*delay).await,
        Some(fault) => {
            if let Some(refusal) = fault.refusal(&call.path) {
                return Ok(refused(&refusal));
            }
        }
        None => {}
    }
    let response = carry_out(&cluster, call, upgrade).unwrap_or_else(|refusal| refused(&refusal));
    match fault {
        Some(Fault::AppliedThenReset) => Err(io::Error::other("the test resets the connection")),
        Some(Fault::AppliedThenHang) => {
            time::sleep(Duration::MAX).await;
            Ok(response)
        }
        _ => Ok(response),
    }
}

fn carry_out(
    cluster: &Arc<Cluster>,
    call: Call,
    upgrade: Option<OnUpgrade>,
) -> Result<Response<Body>, Refusal> {
    cluster.access().check_token(call.header("authorization"))?;
    if matches!(call.path.as_str(), "/healthz" | "/livez" | "/readyz") {
        return Ok(text(200, "ok"));
    }
    if let Some(document) = discovery::answer(&call.path, &cluster.store().resources) {
        return Ok(json(200, &document));
    }
    let path = call.path.clone();
    let place = Place::parse(&path).ok_or_else(Refusal::no_such_path)?;
    if place.group == "authorization.k8s.io" {
        return review(&cluster.access(), &place, &call);
    }
    let known = cluster.store().resources.iter().find(|resource| place.fits(resource)).cloned();
    let resource = known.ok_or_else(Refusal::no_such_path)?;
    if resource.namespaced && place.namespace.is_none() && (place.name.is_some() || call.method == "POST") {
        return Err(Refusal::no_such_path());
    }
    cluster.access().check(&resource, &place, call.verb(&place))?;
    if resource.is("", "pods") && place.subresource == "exec" {
        // Since 1.35 the real server asks for `create` as well, whatever the method of the upgrade.
        cluster.access().check(&resource, &place, "create")?;
        return command(cluster, &place, &call, upgrade);
    }
    if call.method == "GET" && call.flag("watch") && place.subresource.is_empty() {
        let body = watch::body(cluster, &resource, &place, call)?;
        return Ok(response(200, "application/json", StreamBody::new(body).boxed()));
    }
    let (code, body) = cluster.write(|store| objects::answer(store, &resource, &place, &call))?;
    Ok(json(code, &body))
}

fn review(access: &Access, place: &Place, call: &Call) -> Result<Response<Body>, Refusal> {
    let review =
        serde_json::from_slice(&call.body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let answered = if call.method == "POST" { access.review(place.plural, review) } else { None };
    answered.map(|review| json(201, &review)).ok_or_else(Refusal::no_such_path)
}

/// Accepts the upgrade; the command counts as run from here on.
fn command(
    cluster: &Arc<Cluster>,
    place: &Place,
    call: &Call,
    upgrade: Option<OnUpgrade>,
) -> Result<Response<Body>, Refusal> {
    let (namespace, name) = (place.namespace.unwrap_or_default(), place.name.unwrap_or_default());
    let pod = {
        let store = cluster.store();
        let pods = store.resource("", "pods").ok_or_else(Refusal::no_such_path)?;
        store.get(&Key::new(pods, namespace, name)).cloned().ok_or_else(|| Refusal::not_found(pods, name))?
    };
    let container = exec::container(&pod, call.option("container"))?;
    let (Some(upgrade), Some(protocol)) = (upgrade, exec::protocol(call.header("sec-websocket-protocol")))
    else {
        return Err(Refusal::bad_request(
            "Upgrade request required: a WebSocket with v5.channel.k8s.io or v4.channel.k8s.io",
        ));
    };
    let command: Vec<String> =
        call.query.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.clone()).collect();
    let text = command.join(" ");
    let run = ExecRun { namespace: namespace.to_owned(), pod: name.to_owned(), container, command };
    let answer = cluster.exec().run(run);
    tokio::spawn(exec::speak(upgrade, text, answer));
    let mut response = response(101, "", Full::default().map_err(|never| match never {}).boxed());
    let headers = response.headers_mut();
    headers.remove("content-type");
    let accept = derive_accept_key(call.header("sec-websocket-key").as_bytes());
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", &accept),
        ("sec-websocket-protocol", protocol),
    ] {
        headers.insert(name, value.parse().expect("base64 and the names above are header values"));
    }
    Ok(response)
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = json(refusal.code, &refusal.status());
    if let Some(seconds) = refusal.details.get("retryAfterSeconds") {
        let seconds = seconds.to_string().parse().expect("a number is a header value");
        response.headers_mut().insert("retry-after", seconds);
    }
    response
}

fn json(code: u16, body: &Value) -> Response<Body> {
    full(code, "application/json", body.to_string())
}

fn text(code: u16, body: &str) -> Response<Body> {
    full(code, "text/plain", body.to_owned())
}

fn full(code: u16, content_type: &str, body: String) -> Response<Body> {
    response(code, content_type, Full::from(body).map_err(|never| match never {}).boxed())
}

fn response(code: u16, content_type: &str, body: Body) -> Response<Body> {
    Response::builder()
        .status(code)
        .header("content-type", content_type)
        .body(body)
        .expect("a known status and a plain content type make a response")
}
