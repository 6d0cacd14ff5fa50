//! The threads of the stand-in: one that accepts, one a connection; all ended on Drop.

use super::{
    message::{self, Request},
    reply::Reply,
};
use crate::error::{Error, While};
use std::{
    collections::VecDeque,
    io::{self, BufReader},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Of the requests, the newest so many are kept.
const REQUESTS_MAX: usize = 100_000;

/// What the test and the threads share; it outlives a stop.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told at every new request and at a stop.
    pub(super) changed: Condvar,
}

/// What was received and what is to be answered.
pub(super) struct State {
    pub(super) requests: VecDeque<Request>,
    pub(super) received: usize,
    pub(super) script: VecDeque<Reply>,
    pub(super) usual: Arc<dyn Fn(&Request) -> Reply + Send + Sync>,
    /// Counts the stops, so that a thread knows when its time is over.
    stops: u64,
}

impl Default for Shared {
    fn default() -> Self {
        let state = State {
            requests: VecDeque::new(),
            received: 0,
            script: VecDeque::new(),
            usual: Arc::new(|_| Reply::status(200)),
            stops: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and says how to answer it.
    fn receive(&self, request: &Request) -> Reply {
        let mut state = self.state();
        if state.requests.len() == REQUESTS_MAX {
            state.requests.pop_front();
        }
        state.requests.push_back(request.clone());
        state.received += 1;
        self.changed.notify_all();
        match state.script.pop_front() {
            Some(reply) => reply,
            None => {
                let usual = Arc::clone(&state.usual);
                // Not under the lock: the test's function may look at the requests.
                drop(state);
                usual(request)
            }
        }
    }

    /// Lets the answer's delay pass; `false` when the server was stopped meanwhile.
    fn delay(&self, reply: &Reply, epoch: u64) -> bool {
        let end = Instant::now() + reply.delay;
        let mut state = self.state();
        while state.stops == epoch {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// How long a port that was free a moment ago may be in use, and how long to wait between two tries.
const LISTEN_LIMIT: Duration = Duration::from_secs(5);
const LISTEN_RETRY: Duration = Duration::from_millis(5);

/// Listens on a reserved port. A process that another thread is just starting may still hold the socket by which the port was
/// tried: it lets go of it with its exec.
fn listen(port: u16) -> io::Result<TcpListener> {
    let deadline = Instant::now() + LISTEN_LIMIT;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(fault) if fault.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(LISTEN_RETRY);
            }
            listening => return listening,
        }
    }
}

/// A listening server, from start to stop.
pub(super) struct Serving {
    shared: Arc<Shared>,
    port: u16,
    acceptor: Option<JoinHandle<()>>,
}

impl Serving {
    pub(super) fn start(port: u16, shared: Arc<Shared>) -> Result<Self, Error> {
        let listener = listen(port).doing(|| format!("listen on port {port}"))?;
        let epoch = shared.state().stops;
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &shared, epoch))
        };
        Ok(Self { shared, port, acceptor: Some(acceptor) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.state().stops += 1;
        self.shared.changed.notify_all();
        // The acceptor waits in the kernel; a connection wakes it. Without one it has ended already.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of a thread is a test's own answer function's, and was printed there.
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, epoch: u64) {
    let mut connections: Vec<(TcpStream, JoinHandle<()>)> = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if shared.state().stops != epoch {
            break;
        }
        connections.retain(|(_, thread)| !thread.is_finished());
        let Ok(handle) = stream.try_clone() else { continue };
        let shared = Arc::clone(shared);
        // How a connection ends is the client's affair; what it sent is recorded.
        let thread = thread::spawn(move || drop(converse(&stream, &shared, epoch)));
        connections.push((handle, thread));
    }
    for (stream, thread) in connections {
        let _ = stream.shutdown(Shutdown::Both);
        let _ = thread.join();
    }
}

/// Serves one connection until either side ends it.
fn converse(stream: &TcpStream, shared: &Shared, epoch: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream;
    let mut reader = BufReader::new(stream);
    let outcome = loop {
        let request = match message::read(&mut reader, &mut writer) {
            Ok(Some(request)) => request,
            Ok(None) => break Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                break Reply::status(400).body(error.to_string()).write(&mut writer, "", true);
            }
            Err(error) => break Err(error),
        };
        let reply = shared.receive(&request);
        if !shared.delay(&reply, epoch) || reply.hang_up {
            break Ok(());
        }
        reply.write(&mut writer, &request.method, request.is_last())?;
        if request.is_last() {
            break Ok(());
        }
    };
    // The acceptor holds a second handle, so that letting go of this one would close nothing.
    let _ = stream.shutdown(Shutdown::Both);
    outcome
}
