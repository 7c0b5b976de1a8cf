//! Looking up host names without being held up by a name server that never answers.
//!
//! The system's resolver blocks, and there is no way to end it. On the runtime's own threads for
//! blocking work it would hold up the end of the runtime, and with it the end of a command that has
//! long given up; here each lookup has a thread that nobody waits for.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::ToSocketAddrs as _;
use std::thread;
use tokio::sync::oneshot;

/// Looks names up with the system's resolver.
#[derive(Debug, Clone, Copy)]
pub(super) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            // The port is the request's business.
            let found = apart(move || (name.as_str(), 0).to_socket_addrs()).await?;
            Ok(Box::new(found?) as Addrs)
        })
    }
}

/// Runs something on a thread of its own, which is left behind when nobody waits for it any more.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    let working = move || drop(sender.send(work()));
    thread::Builder::new()
        .name("name lookup".to_owned())
        .spawn(working)?;
    receiver
        .await
        .map_err(|_| io::Error::other("the lookup failed inside"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_lookup_that_never_ends_does_not_hold_up_the_end_of_the_runtime() {
        let (begun, has_begun) = channel();
        let (_release, never) = channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let lookup = apart(move || {
            begun.send(()).unwrap();
            never.recv()
        });
        runtime.block_on(async {
            let gave_up = tokio::time::timeout(Duration::from_millis(1), lookup).await;
            assert!(gave_up.is_err());
        });
        has_begun.recv().unwrap();
        // If the runtime waited for the lookup, this would never return.
        drop(runtime);
    }

    #[tokio::test]
    async fn a_lookup_gives_what_the_system_says() {
        let name: Name = "localhost".parse().unwrap();
        let found: Vec<_> = SystemNames.resolve(name).await.unwrap().collect();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(!found.is_empty());
    }
}
