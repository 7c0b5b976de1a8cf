//! A machine's way to the Teamspace, which can be closed while the machine's address of it stays the same.
//!
//! To a Teamspace on this machine it is a relay: while it is closed, every connection is ended before a byte
//! passes, also those that stood. To one elsewhere, where TLS binds the address to the server, it is a proxy that is not there.

use kitty_canary::ports::{TeamspaceError, Uplink};
use kitty_config::ServerUrl;
use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long the relay may take to reach the Teamspace.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A proxy at which nobody listens: port 1 is given to no program.
const NO_PROXY: &str = "http://127.0.0.1:1";

/// Makes a way to a server.
pub(super) fn to(server: &ServerUrl) -> Result<Box<dyn Uplink>, TeamspaceError> {
    if !server.is_loopback() || server.origin().starts_with("https://") {
        return Ok(Box::new(Proxied {
            url: server.to_string().trim_end_matches('/').to_owned(),
            open: Cell::new(true),
        }));
    }
    let relay = Relay::start(server);
    let failed = |error: io::Error| TeamspaceError(format!("no relay to the Teamspace: {error}"));
    Ok(Box::new(relay.map_err(failed)?))
}

/// The way to a server elsewhere.
#[derive(Debug)]
struct Proxied {
    url: String,
    open: Cell<bool>,
}

impl Uplink for Proxied {
    fn url(&self) -> &str {
        &self.url
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        if self.open.get() {
            return Vec::new();
        }
        vec![("HTTPS_PROXY", NO_PROXY.to_owned())]
    }

    fn set_open(&self, open: bool) {
        self.open.set(open);
    }
}

/// The way to a server on this machine.
#[derive(Debug)]
struct Relay {
    url: String,
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    open: AtomicBool,
    ended: AtomicBool,
    /// Both ends of every connection since it was opened.
    connections: Mutex<Vec<TcpStream>>,
}

impl State {
    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what stands, and lets nothing through any more.
    fn close(&self) {
        let mut connections = self.connections();
        self.open.store(false, Ordering::SeqCst);
        for connection in connections.drain(..) {
            // One that has ended already is what was wanted.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Relay {
    fn start(server: &ServerUrl) -> io::Result<Self> {
        let origin = server.origin();
        let host = origin.trim_start_matches("http://").to_owned();
        let mut targets = host.to_socket_addrs()?;
        let target = targets.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            open: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let serving = state.clone();
        thread::spawn(move || serve(&listener, target, &serving));
        let path = server.to_string();
        let path = path.strip_prefix(&origin).unwrap_or_default();
        Ok(Self {
            url: format!("http://{address}{}", path.trim_end_matches('/')),
            address,
            state,
        })
    }
}

fn serve(listener: &TcpListener, target: SocketAddr, state: &State) {
    for client in listener.incoming() {
        if state.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        // Held while it connects, so that none slips through while the way is closed.
        let mut connections = state.connections();
        if state.open.load(Ordering::SeqCst)
            && let Ok(server) = connect(&client, target)
        {
            connections.extend([client, server]);
        }
    }
}

/// Carries bytes both ways until either side ends; returns the end at the server.
fn connect(client: &TcpStream, target: SocketAddr) -> io::Result<TcpStream> {
    let server = TcpStream::connect_timeout(&target, CONNECT_LIMIT)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    for (mut from, mut to) in [
        (client.try_clone()?, server.try_clone()?),
        (server.try_clone()?, client.try_clone()?),
    ] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(server)
}

impl Uplink for Relay {
    fn url(&self) -> &str {
        &self.url
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn set_open(&self, open: bool) {
        if open {
            self.state.open.store(true, Ordering::SeqCst);
        } else {
            self.state.close();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.state.close();
        // Wakes the thread, so that it sees the end.
        let _ = TcpStream::connect_timeout(&self.address, CONNECT_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    /// Says something and returns the echo; `None` when nothing comes back.
    fn echo(mut connection: &TcpStream) -> Option<u8> {
        let mut heard = [0];
        connection.write_all(b"x").ok()?;
        connection.read_exact(&mut heard).ok()?;
        Some(heard[0])
    }

    #[test]
    fn while_it_is_closed_nothing_gets_through_and_what_stood_has_ended() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        thread::spawn(move || {
            for connection in server.incoming() {
                let mut connection = connection.unwrap();
                let mut back = connection.try_clone().unwrap();
                thread::spawn(move || io::copy(&mut connection, &mut back));
            }
        });
        let uplink = to(&ServerUrl::parse(&url).unwrap()).unwrap();
        assert_ne!(uplink.url(), url);
        let address = uplink.url().trim_start_matches("http://").to_owned();
        let connect = || TcpStream::connect(&address).unwrap();
        let standing = connect();
        assert_eq!(echo(&standing), Some(b'x'));
        uplink.set_open(false);
        assert_eq!(echo(&standing), None);
        assert_eq!(echo(&connect()), None);
        uplink.set_open(true);
        assert_eq!(echo(&connect()), Some(b'x'));
    }

    #[test]
    fn a_server_elsewhere_keeps_its_address_and_loses_its_proxy() {
        let uplink = to(&ServerUrl::parse("https://a.example/base").unwrap()).unwrap();
        assert_eq!(uplink.url(), "https://a.example/base");
        assert!(uplink.environment().is_empty());
        uplink.set_open(false);
        assert_eq!(uplink.environment(), [("HTTPS_PROXY", NO_PROXY.to_owned())]);
    }
}
