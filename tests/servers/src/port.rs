//! Free ports that stay free until their server takes them, and again while it restarts.
//!
//! Asking the kernel for port 0 gives a port which, once let go, may become the local end of anyone's outgoing
//! connection before the server has it. So ports are taken below the range of outgoing connections (32768 and up on
//! Linux) and reserved against other test processes by a locked file, which the kernel unlocks if this process dies.

use crate::{
    error::{Error, While},
    state,
};
use std::{
    fs::File,
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below Linux' default range of outgoing connections, above most services.
const PORTS: Range<u16> = 20_000..24_000;

/// Where the next search begins, so that a freed port is not taken again at once.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1, reserved for this value's life.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Locked; closing it ends the reservation.
    _reservation: File,
}

impl Port {
    /// Reserves a port on which nothing listens.
    ///
    /// # Errors
    ///
    /// When none of the 4000 ports is free, or the shared directory cannot be used.
    pub fn reserve() -> Result<Self, Error> {
        let directory = state::directory()?;
        let span = u32::from(PORTS.end - PORTS.start);
        // Processes begin at different places, so that they seldom try the same port.
        let first = std::process::id().wrapping_mul(61);
        for _ in 0..span {
            let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % span;
            let number = PORTS.start + u16::try_from(offset).expect("the span is less than 2^16");
            let path = directory.join(format!("port-{number}"));
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .doing(|| format!("open {}", path.display()))?;
            if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _reservation: file });
            }
        }
        Err(io::Error::from(io::ErrorKind::AddrInUse)).doing(|| format!("find a free port in {PORTS:?}"))
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:<number>`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn reserved_ports_are_distinct_and_can_be_listened_on() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        assert_eq!(ports.iter().map(Port::number).collect::<HashSet<_>>().len(), ports.len());
        for port in &ports {
            assert!(PORTS.contains(&port.number()));
            TcpListener::bind(port.address()).unwrap();
        }
    }
}
