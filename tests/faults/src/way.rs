//! The way from a replica to one server: a TCP proxy on which connections are reset, answers swallowed, requests lost or
//! late, everything slow, or nothing passes at all.
//!
//! What is held back while a way is cut is delivered when it is mended, even when its sender has long given up: so does a
//! real network, and what comes late must do no harm.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use selfheal_test_servers::Port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What is read at once: requests of the size that selfheal sends come as one.
const CHUNK_BYTES: usize = 256 * 1024;
/// How long a server must have been silent for its answer to count as whole.
const ANSWERED: Duration = Duration::from_millis(100);

/// What happens to the next request that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// It is carried out, then the connection is reset instead of an answer.
    Swallow,
    /// The connection is reset, and the server never sees it.
    Lose,
    /// It reaches the server late, whether anybody still waits for it or not.
    Delay(Duration),
}

/// Which requests a trick is for.
pub type Fits = fn(&[u8]) -> bool;

/// How it is on the way.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    /// Nothing passes.
    cut: bool,
    /// Everything takes so much longer, either way.
    delay: Duration,
    /// How often all connections were reset.
    resets: u64,
}

struct Shared {
    upstream: Mutex<u16>,
    weather: watch::Sender<Weather>,
    trick: Mutex<Option<Trick>>,
    fits: Fits,
}

/// A way to a server.
pub struct Way {
    shared: Arc<Shared>,
    port: Port,
}

impl Way {
    /// A way to a port of this machine.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub fn open(runtime: &Handle, upstream: u16, fits: Fits) -> Result<Self, selfheal_test_servers::Error> {
        let port = Port::reserve()?;
        let listening = || -> io::Result<TcpListener> {
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port.number()))?;
            listener.set_nonblocking(true)?;
            let _entered = runtime.enter();
            TcpListener::from_std(listener)
        };
        let listener = listening().map_err(|source| selfheal_test_servers::Error::Io {
            what: format!("listen on port {}", port.number()),
            source,
        })?;
        let (weather, _) = watch::channel(Weather::default());
        let shared =
            Arc::new(Shared { upstream: Mutex::new(upstream), weather, trick: Mutex::default(), fits });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, port })
    }

    /// The port that a replica is given instead of the server's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Leads new connections to another port.
    pub fn redirect(&self, upstream: u16) {
        *locked(&self.shared.upstream) = upstream;
    }

    /// Plays a trick on the next request that fits.
    pub fn play(&self, trick: Trick) {
        *locked(&self.shared.trick) = Some(trick);
    }

    /// Resets all connections; what was held back is lost.
    pub fn reset(&self) {
        self.shared.weather.send_modify(|weather| weather.resets += 1);
    }

    /// Lets nothing pass, or everything again.
    pub fn cut(&self, cut: bool) {
        self.shared.weather.send_modify(|weather| weather.cut = cut);
    }

    /// Makes everything take so much longer.
    pub fn slow(&self, delay: Duration) {
        self.shared.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        *locked(&self.shared.trick) = None;
        self.shared.weather.send_modify(|weather| (weather.cut, weather.delay) = (false, Duration::ZERO));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is never half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The trick for a request, which is then used up.
    fn trick_for(&self, request: &[u8]) -> Option<Trick> {
        if !(self.fits)(request) {
            return None;
        }
        locked(&self.trick).take()
    }

    /// Waits until something can pass.
    async fn pass(&self) {
        let mut weather = self.weather.subscribe();
        let now = weather.wait_for(|weather| !weather.cut).await.map(|now| *now);
        // The sender is in `self`.
        let delay = now.unwrap_or_default().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // A connection that is gone before it is accepted is the client's affair.
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(lead(client, Arc::clone(&shared)));
    }
}

/// Leads one connection until one side has ended it, or it is reset.
async fn lead(mut client: TcpStream, shared: Arc<Shared>) {
    let resets = shared.weather.borrow().resets;
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, *locked(&shared.upstream)));
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut weather = shared.weather.subscribe();
    let ended = {
        let swallowing = AtomicBool::new(false);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                requests(&shared, from_client, to_server, &swallowing),
                answers(&shared, from_server, to_client, &swallowing),
            )
        };
        tokio::select! {
            biased;
            // First, so that what was held back is lost although the way is open again by now.
            _ = weather.wait_for(|weather| weather.resets != resets) => Err(reset()),
            ended = both => ended.map(drop),
        }
    };
    if ended.is_err() {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

fn reset() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

async fn requests(
    shared: &Shared,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    swallowing: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        // Whoever has died says nothing more; what it said before still counts.
        let length = from.read(&mut buffer).await.unwrap_or_default();
        if length == 0 {
            return to.shutdown().await;
        }
        match shared.trick_for(&buffer[..length]) {
            Some(Trick::Lose) => return Err(reset()),
            Some(Trick::Swallow) => swallowing.store(true, Ordering::Relaxed),
            Some(Trick::Delay(delay)) => sleep(delay).await,
            None => {}
        }
        shared.pass().await;
        to.write_all(&buffer[..length]).await?;
    }
}

async fn answers(
    shared: &Shared,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    swallowing: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        if swallowing.load(Ordering::Relaxed) {
            while matches!(timeout(ANSWERED, from.read(&mut buffer)).await, Ok(Ok(1..))) {}
            return Err(reset());
        }
        shared.pass().await;
        // Who has given up reads no late answer, and what it has sent still counts.
        let _ = to.write_all(&buffer[..length]).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream as StdStream;
    use std::sync::mpsc;
    use std::time::Instant;

    /// A server that tells what it reads and answers each with `ok`.
    fn server() -> (u16, mpsc::Receiver<Vec<u8>>) {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let _ = tell.send(buffer[..length].to_vec());
                        let _ = stream.write_all(b"ok");
                    }
                });
            }
        });
        (port, told)
    }

    fn ask(way: &Way, text: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
        let mut stream = StdStream::connect((Ipv4Addr::LOCALHOST, way.port()))?;
        stream.set_read_timeout(Some(wait))?;
        stream.write_all(text)?;
        let mut buffer = [0; 64];
        let length = stream.read(&mut buffer)?;
        Ok(buffer[..length].to_vec())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn tricks_are_played_once_and_on_what_fits() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (port, told) = server();
        let way = Way::open(runtime.handle(), port, |request| request.starts_with(b"set")).unwrap();
        let cases = [
            (Trick::Swallow, true, false),
            (Trick::Lose, false, false),
            (Trick::Delay(Duration::from_millis(20)), true, true),
        ];
        for (trick, carried_out, answered) in cases {
            way.play(trick);
            assert_eq!(ask(&way, b"get", LONG).unwrap(), b"ok", "{trick:?} is not for this");
            assert_eq!(told.recv_timeout(LONG).unwrap(), b"get");
            assert_eq!(ask(&way, b"set", LONG).is_ok_and(|answer| answer == b"ok"), answered, "{trick:?}");
            if carried_out {
                assert_eq!(told.recv_timeout(LONG).unwrap(), b"set", "{trick:?}");
            }
            assert_eq!(ask(&way, b"set", LONG).unwrap(), b"ok", "{trick:?} is over");
            assert_eq!(told.recv_timeout(LONG).unwrap(), b"set");
        }
    }

    #[test]
    fn what_a_cut_way_held_back_comes_late_unless_it_is_reset() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (port, told) = server();
        let way = Way::open(runtime.handle(), port, |_| true).unwrap();
        for (resets, comes) in [(false, true), (true, false)] {
            way.cut(true);
            let waited = ask(&way, b"late", Duration::from_millis(300)).unwrap_err();
            assert_eq!(waited.kind(), io::ErrorKind::WouldBlock);
            assert!(told.try_recv().is_err(), "nothing passes");
            if resets {
                way.reset();
            }
            way.mend();
            assert_eq!(ask(&way, b"new", LONG).unwrap(), b"ok");
            let mut came = vec![told.recv_timeout(LONG).unwrap()];
            if comes {
                came.push(told.recv_timeout(LONG).unwrap());
            }
            assert_eq!(came.contains(&b"late".to_vec()), comes);
        }
    }

    #[test]
    fn a_slow_way_takes_its_time() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (port, _told) = server();
        let way = Way::open(runtime.handle(), port, |_| true).unwrap();
        way.slow(Duration::from_millis(50));
        let began = Instant::now();
        ask(&way, b"x", LONG).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(100), "there and back");
    }
}
