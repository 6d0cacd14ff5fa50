//! Bodies that come too slowly or all at once, over real connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{House, Plan, firing};

/// Sends the head of a notification and the beginning of its body.
async fn begin(address: SocketAddr, length: usize, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST /webhook/alertmanager HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

/// Reads until the head of an answer and something of its body are there.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let reading = async {
        let mut piece = [0; 4096];
        while text.find("\r\n\r\n").is_none_or(|end| end + 4 == text.len()) {
            let read = stream.read(&mut piece).await.unwrap();
            if read == 0 {
                break;
            }
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer");
    text
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let plan = Plan { body_timeout: Duration::from_millis(100), ..Plan::default() };
    let house = House::build(plan).await;
    let (address, handle) = house.serve();
    let mut stream = begin(address, 1000, b"{").await;
    let told = answer(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    assert!(told.contains("did not arrive within"), "{told}");
    handle.stop(false).await;
}

#[actix_web::test]
async fn a_declared_length_is_refused_before_the_body() {
    let house = House::build(Plan::default()).await;
    let (address, handle) = house.serve();
    let mut stream = begin(address, 64 * 1024 + 1, b"").await;
    let told = answer(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    handle.stop(false).await;
}

#[actix_web::test]
async fn bodies_beyond_the_room_are_told_to_come_again() {
    let plan = Plan { room_wait: Duration::from_millis(50), in_flight_max: 64 * 1024, ..Plan::default() };
    let house = House::build(plan).await;
    let (address, handle) = house.serve();
    // Takes all the room there is, and lets it go by hanging up.
    let holder = begin(address, 64 * 1024, b"{").await;
    let body = firing("Broken", "a").to_string();
    let mut refused = false;
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !refused && std::time::Instant::now() < deadline {
        let told = answer(&mut begin(address, body.len(), body.as_bytes()).await).await;
        refused = told.starts_with("HTTP/1.1 503 ") && told.contains("send it again");
    }
    assert!(refused, "the holder's room is not given to others");
    drop(holder);
    let mut taken = false;
    while !taken && std::time::Instant::now() < deadline {
        let told = answer(&mut begin(address, body.len(), body.as_bytes()).await).await;
        taken = told.starts_with("HTTP/1.1 200 ");
    }
    assert!(taken, "the room is given back");
    handle.stop(false).await;
}
