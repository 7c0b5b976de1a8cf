//! A machine's way to the Teamspace, which can be closed while the machine's address of it stays the same.
//!
//! To a Teamspace on this machine it is a relay: while it is closed, every connection is ended before a byte
//! passes. To one elsewhere, where TLS binds the address to the server, it is a proxy that is not there.

use kitty_canary::ports::{TeamspaceError, Uplink};
use kitty_config::ServerUrl;
use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
        if state.open.load(Ordering::SeqCst) {
            // A connection that breaks is noticed by its two ends.
            let _ = connect(&client, target);
        }
    }
}

/// Carries bytes both ways until either side ends.
fn connect(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
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
    Ok(())
}

impl Uplink for Relay {
    fn url(&self) -> &str {
        &self.url
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn set_open(&self, open: bool) {
        self.state.open.store(open, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees the end.
        let _ = TcpStream::connect_timeout(&self.address, CONNECT_LIMIT);
    }
}
