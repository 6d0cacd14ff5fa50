//! The HTTP stand-in records what comes and answers by its script.

use selfheal_test_servers::{Exporter, HttpStandIn, Reply, http};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn requests_are_recorded_as_they_came() {
    let server = HttpStandIn::start().unwrap();
    let url = format!("{}/a/b?c=d", server.url());
    let response = http::request("PUT", &url, &[("X-Token", "t"), ("x-token", "u")], b"\x00body").unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    let request = server.wait_for(|request| request.path.starts_with("/a"), LIMIT);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/a/b?c=d"));
    assert_eq!(request.header("X-TOKEN"), Some("t"));
    assert_eq!(request.body, b"\x00body");
    assert_eq!((server.count(), server.requests().len()), (1, 1));
    server.forget();
    assert_eq!((server.count(), server.requests().len()), (0, 0));
}

#[test]
fn the_script_comes_before_the_usual_answer() {
    let server = HttpStandIn::start().unwrap();
    server.script([Reply::status(503).body("busy"), Reply::hang_up(), Reply::status(429)]);
    server.answer_by(|request| Reply::status(200).json(request.path.clone()));
    let answers: Vec<_> = (0..5)
        .map(|n| http::get(&format!("{}/{n}", server.url())).ok().map(|answer| (answer.status, answer.body)))
        .collect();
    let answer = |status: u16, body: &str| Some((status, body.to_owned()));
    assert_eq!(answers, [answer(503, "busy"), None, answer(429, ""), answer(200, "/3"), answer(200, "/4")]);
    assert_eq!(server.count(), 5);
}

#[test]
fn a_delay_holds_the_answer_but_not_the_record_nor_the_end() {
    let server = HttpStandIn::start().unwrap();
    let delay = Duration::from_millis(60);
    server.script([Reply::status(200).after(delay), Reply::status(200).after(Duration::from_secs(600))]);
    let began = Instant::now();
    http::get(&server.url()).unwrap();
    assert!(began.elapsed() >= delay);
    let url = server.url();
    let waiting = std::thread::spawn(move || http::get(&url));
    server.wait_for_count(2, LIMIT);
    drop(server);
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn one_connection_carries_many_requests_and_faults_are_named() {
    let server = HttpStandIn::start().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let two = "POST /1 HTTP/1.1\r\ncontent-length: 1\r\n\r\nx";
    let chunked = "POST /2 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n";
    stream.write_all([two, chunked, "what?\r\n\r\n"].concat().as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(answer.contains("400 Bad Request") && answer.contains("the request line is not"), "{answer}");
    let bodies: Vec<String> = server.requests().iter().map(|request| request.text()).collect();
    assert_eq!(bodies, ["x", "y"]);
}

#[test]
fn a_stopped_server_refuses_and_comes_back_with_what_it_had() {
    let server = HttpStandIn::start().unwrap();
    http::get(&server.url()).unwrap();
    let mut open = TcpStream::connect(server.address()).unwrap();
    server.stop();
    assert_eq!(open.read(&mut [0]).unwrap_or(0), 0);
    assert!(http::get(&server.url()).is_err());
    server.restart().unwrap();
    server.restart().unwrap();
    http::get(&server.url()).unwrap();
    assert_eq!(server.count(), 2);
}

#[test]
#[should_panic(expected = "GET /came")]
fn a_wait_in_vain_lists_what_came() {
    let server = HttpStandIn::start().unwrap();
    http::get(&format!("{}/came", server.url())).unwrap();
    server.wait_for(|request| request.path == "/other", Duration::from_millis(20));
}

#[test]
fn the_exporter_serves_what_it_is_told() {
    let exporter = Exporter::start("a 1").unwrap();
    assert_eq!(http::get(&exporter.url()).unwrap().body, "a 1\n");
    exporter.set("a 2\nb 3\n");
    assert_eq!(http::get(&exporter.url()).unwrap().body, "a 2\nb 3\n");
    assert_eq!(http::get(&format!("http://{}/", exporter.address())).unwrap().status, 404);
    assert_eq!(exporter.scrapes(), 3);
}
