//! A broker that keeps topics with partitions and configuration, and speaks as much of Kafka's protocol as changing those
//! needs: neither the in-process cluster nor Tansu can. The versions are the oldest that the library takes, so that the
//! encoding is plain (Kafka protocol guide: ApiVersions 0, Metadata 1, DescribeConfigs 1, AlterConfigs 0, CreatePartitions 0).
//!
//! It is honest where it matters here: partitions are only ever raised, altering replaces all that a topic has of its own,
//! unknown keys and values that are no numbers are refused. Where it and a Kafka disagree, it is wrong.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Keys that every topic has, with their defaults.
const DEFAULTS: [(&str, &str); 3] =
    [("cleanup.policy", "delete"), ("max.message.bytes", "1048588"), ("retention.ms", "604800000")];

const UNKNOWN_TOPIC: i16 = 3;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_CONFIG: i16 = 40;

#[derive(Clone, Debug, Default)]
pub struct Topic {
    pub partitions: i32,
    pub own: BTreeMap<String, String>,
}

/// What goes wrong at the next change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// The change is made, and the connection ends before the answer.
    DoneThenCut,
    /// Somebody else sets this key at the same moment.
    Raced(&'static str),
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Topic>,
    fault: Fault,
    port: u16,
}

pub struct Double(Arc<Mutex<State>>);

impl Double {
    /// Starts it with one topic of two partitions, `orders`, that has one configuration of its own.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
        let topics = [("orders".to_owned(), Topic { partitions: 2, own })].into();
        let state = Arc::new(Mutex::new(State { topics, fault: Fault::None, port }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self(state)
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.0.lock().unwrap().port)
    }

    pub fn fail(&self, fault: Fault) {
        self.0.lock().unwrap().fault = fault;
    }

    pub fn change(&self, change: impl FnOnce(&mut Topic)) {
        change(self.0.lock().unwrap().topics.get_mut("orders").unwrap());
    }

    /// The topic `orders`, as JSON.
    pub fn shown(&self) -> Value {
        let topic = self.0.lock().unwrap().topics["orders"].clone();
        json!({ "partitions": topic.partitions, "own": topic.own })
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request)?;
        let mut reader = Reader(&request);
        let (key, version, correlation) = (reader.i16(), reader.i16(), reader.i32());
        reader.text();
        let mut answer = Writer(correlation.to_be_bytes().to_vec());
        let mut state = state.lock().unwrap();
        match key {
            18 => versions(version, &mut answer),
            3 => metadata(&state, &mut reader, &mut answer),
            32 => describe(&state, &mut reader, &mut answer),
            33 => alter(&mut state, &mut reader, &mut answer),
            37 => create(&mut state, &mut reader, &mut answer),
            _ => return Ok(()),
        }
        if matches!(key, 33 | 37) && std::mem::take(&mut state.fault) == Fault::DoneThenCut {
            return Ok(());
        }
        drop(state);
        stream.write_all(&u32::try_from(answer.0.len()).unwrap().to_be_bytes())?;
        stream.write_all(&answer.0)?;
    }
}

fn versions(asked: i16, answer: &mut Writer) {
    answer.i16(if asked == 0 { 0 } else { UNSUPPORTED_VERSION });
    let known: [[i16; 3]; 5] = [[18, 0, 0], [3, 0, 1], [32, 1, 1], [33, 0, 0], [37, 0, 0]];
    answer.i32(5);
    known.iter().flatten().for_each(|number| answer.i16(*number));
}

fn metadata(state: &State, request: &mut Reader<'_>, answer: &mut Writer) {
    let names: Vec<String> = match request.i32() {
        -1 => state.topics.keys().cloned().collect(),
        count => (0..count).map(|_| request.text()).collect(),
    };
    answer.i32(1);
    answer.i32(1);
    answer.text("127.0.0.1");
    answer.i32(i32::from(state.port));
    answer.nothing();
    answer.i32(1);
    answer.i32(names.len() as i32);
    for name in names {
        let partitions = state.topics.get(&name).map_or(0, |topic| topic.partitions);
        answer.i16(if partitions == 0 { UNKNOWN_TOPIC } else { 0 });
        answer.text(&name);
        answer.0.push(0);
        answer.i32(partitions);
        for partition in 0..partitions {
            answer.i16(0);
            // Number, leader, one replica, one in sync.
            [partition, 1, 1, 1, 1, 1].iter().for_each(|number| answer.i32(*number));
        }
    }
}

fn describe(state: &State, request: &mut Reader<'_>, answer: &mut Writer) {
    answer.i32(0);
    let count = request.i32();
    answer.i32(count);
    for _ in 0..count {
        let kind = request.i8();
        let name = request.text();
        for _ in 0..request.i32().max(0) {
            request.text();
        }
        let topic = state.topics.get(&name);
        answer.i16(if topic.is_some() { 0 } else { UNKNOWN_TOPIC });
        answer.nothing();
        answer.0.push(kind);
        answer.text(&name);
        let Some(topic) = topic else {
            answer.i32(0);
            continue;
        };
        answer.i32(DEFAULTS.len() as i32);
        for (key, default) in DEFAULTS {
            let own = topic.own.get(key);
            answer.text(key);
            answer.text(own.map_or(default, String::as_str));
            // Not read-only; set at the topic, or a default; no secret; no synonyms.
            answer.0.extend([0, if own.is_some() { 1 } else { 5 }, 0]);
            answer.i32(0);
        }
    }
}

fn alter(state: &mut State, request: &mut Reader<'_>, answer: &mut Writer) {
    answer.i32(0);
    let count = request.i32();
    answer.i32(count);
    for _ in 0..count {
        let kind = request.i8();
        let name = request.text();
        let own: BTreeMap<String, String> =
            (0..request.i32()).map(|_| (request.text(), request.text())).collect();
        let valid = own.iter().all(|(key, value)| {
            let known = DEFAULTS.iter().any(|(known, _)| known == key);
            known && (key == "cleanup.policy" || value.parse::<i64>().is_ok())
        });
        let raced = state.fault;
        let code = match state.topics.get_mut(&name) {
            None => UNKNOWN_TOPIC,
            Some(_) if !valid => INVALID_CONFIG,
            Some(topic) => {
                topic.own = own;
                if let Fault::Raced(key) = raced {
                    topic.own.insert(key.to_owned(), "42".to_owned());
                }
                0
            }
        };
        answer.i16(code);
        answer.nothing();
        answer.0.push(kind);
        answer.text(&name);
    }
}

fn create(state: &mut State, request: &mut Reader<'_>, answer: &mut Writer) {
    answer.i32(0);
    let count = request.i32();
    answer.i32(count);
    for _ in 0..count {
        let name = request.text();
        let wanted = request.i32();
        assert_eq!(request.i32(), -1, "nobody assigns replicas here");
        let code = match state.topics.get_mut(&name) {
            None => UNKNOWN_TOPIC,
            Some(topic) if topic.partitions >= wanted => INVALID_PARTITIONS,
            Some(topic) => {
                topic.partitions = wanted;
                0
            }
        };
        answer.text(&name);
        answer.i16(code);
        answer.nothing();
    }
}

struct Reader<'r>(&'r [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.0.split_off(..N).unwrap().try_into().unwrap()
    }

    fn i8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn text(&mut self) -> String {
        let length = usize::try_from(self.i16()).unwrap_or(0);
        String::from_utf8(self.0.split_off(..length).unwrap().to_vec()).unwrap()
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn i16(&mut self, number: i16) {
        self.0.extend(number.to_be_bytes());
    }

    fn i32(&mut self, number: i32) {
        self.0.extend(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.i16(i16::try_from(text.len()).unwrap());
        self.0.extend(text.as_bytes());
    }

    /// A text that is null.
    fn nothing(&mut self) {
        self.i16(-1);
    }
}
