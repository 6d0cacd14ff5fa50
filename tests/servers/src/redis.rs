//! A real Redis, empty and in memory only.

use crate::{
    error::Error,
    port::Port,
    program,
    server::{self, Recipe, Server, server_methods},
};
use rustix::process::Signal;
use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// What a test may want to be otherwise.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Further arguments, such as `["--maxmemory", "16mb"]`, which win over all others.
    pub args: Vec<String>,
}

/// A running Redis without password; a stop or a restart empties it unless `--appendonly yes` is among its arguments.
pub struct Redis {
    server: Server,
    port: Port,
}

server_methods!(Redis);

impl Redis {
    /// Starts a server with the default options and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the program `redis-server`; others when it does not start.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&RedisOptions::default())
    }

    /// Starts a server with these options.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with(options: &RedisOptions) -> Result<Self, Error> {
        let program = program::find("redis-server", "redis-server")?;
        let port = Port::reserve()?;
        let directory = server::directory("redis", None)?;
        let number = port.number();
        let mut args: Vec<String> = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]
            .map(str::to_owned)
            .into_iter()
            .chain([number.to_string(), "--dir".to_owned(), directory.path().display().to_string()])
            .collect();
        args.extend(options.args.iter().cloned());
        let recipe = Recipe {
            name: "redis-server",
            program,
            args,
            run_as: None,
            stop_signal: Signal::TERM,
            drop_signal: Signal::KILL,
        };
        Ok(Self { server: Server::start(recipe, directory, move || ready(number))?, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `redis://127.0.0.1:<port>/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.port.address())
    }
}

/// Whether the server answers commands; one that asks for a password first does.
pub(crate) fn ready(port: u16) -> Result<(), String> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"PING\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = ask().map_err(|error| error.to_string())?;
    if line.starts_with("+PONG") || line.starts_with("-NOAUTH") { Ok(()) } else { Err(line) }
}
