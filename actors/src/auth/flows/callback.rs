//! The one page that the browser returns to: a tiny HTTP listener on loopback.
//!
//! Only a request to `/callback` that carries the state of this login ends the wait; everything
//! else on that port (a favicon, another tab, another program) gets an answer and changes nothing.

use super::LoginError;
use crate::auth::pause::SharedPauses;
use crate::auth::secret::Secret;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The ports that servers know as return addresses; another free one is used when all are taken.
const PORTS: std::ops::RangeInclusive<u16> = 28888..=28898;

/// The longest request head that is read.
const MAXIMUM_HEAD: usize = 16 * 1024;

/// How long one connection may take to send its request.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// How long one connection may take to read its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most connections that are served at once.
const MAXIMUM_CONNECTIONS: usize = 32;

/// Waits for the browser to return.
#[derive(Debug)]
pub(super) struct CallbackListener {
    listener: TcpListener,
    port: u16,
}

/// What one request on the callback port means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// The login was granted.
    Code(String),
    /// The login ended with an error word of the server.
    Error(String),
    /// Nothing that concerns this login.
    Stray(&'static str),
}

impl CallbackListener {
    /// Opens the first free port of the known ones, else any.
    pub(super) async fn open() -> Result<Self, LoginError> {
        let closed = |error: io::Error| LoginError::NoCallbackPort(error.to_string());
        for port in PORTS {
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                return Ok(Self { listener, port });
            }
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(closed)?;
        let port = listener.local_addr().map_err(closed)?.port();
        Ok(Self { listener, port })
    }

    /// Returns the address that the server sends the browser to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// Serves requests until one carries the state and a verdict.
    ///
    /// Connections are served side by side: browsers open some that they never use.
    pub(super) async fn wait(
        &self,
        state: &Secret,
        pauses: &SharedPauses,
    ) -> Result<Secret, LoginError> {
        let mut connections: JoinSet<Meaning> = JoinSet::new();
        loop {
            let accepting = connections.len() < MAXIMUM_CONNECTIONS;
            tokio::select! {
                accepted = self.listener.accept(), if accepting => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, state.clone(), Arc::clone(pauses)));
                    }
                    // Mostly a lack of file handles, which passes.
                    Err(_) => pauses.pause(ACCEPT_PAUSE).await,
                },
                // No pattern here: a select branch that does not match sleeps until another wakes.
                served = connections.join_next(), if !connections.is_empty() => {
                    if let Some(Ok(Some(verdict))) = served.map(|served| served.map(verdict_of)) {
                        return verdict;
                    }
                }
            }
        }
    }
}

/// Returns the end of the login that a request brings, if it brings one.
fn verdict_of(meaning: Meaning) -> Option<Result<Secret, LoginError>> {
    match meaning {
        Meaning::Code(code) => Some(Ok(Secret::new(code))),
        Meaning::Error(word) if word == "access_denied" => Some(Err(LoginError::Denied)),
        Meaning::Error(word) => Some(Err(LoginError::ServerSaid(word))),
        Meaning::Stray(_) => None,
    }
}

async fn serve(mut stream: TcpStream, state: Secret, pauses: SharedPauses) -> Meaning {
    let head = tokio::select! {
        head = read_head(&mut stream) => head,
        () = pauses.pause(CONNECTION_LIMIT) => Err(io::ErrorKind::TimedOut.into()),
    };
    let Ok(head) = head else {
        return Meaning::Stray("400 Bad Request");
    };
    let meaning = meaning_of(&head, &state);
    // The request was understood: that its answer may not arrive takes nothing back.
    tokio::select! {
        _ = answer(&mut stream, &meaning) => {}
        () = pauses.pause(ANSWER_LIMIT) => {}
    }
    meaning
}

async fn answer(stream: &mut TcpStream, meaning: &Meaning) -> io::Result<()> {
    stream.write_all(answer_to(meaning).as_bytes()).await?;
    stream.shutdown().await?;
    // What the browser still sends is read, or closing would cut its answer off.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut chunk).await?;
        if count == 0 || head.len() + count > MAXIMUM_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&chunk[..count]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn meaning_of(head: &str, state: &Secret) -> Meaning {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if method != "GET" || path != "/callback" {
        return Meaning::Stray("404 Not Found");
    }
    let parameter = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if parameter("state").map(Secret::new).as_ref() != Some(state) {
        return Meaning::Stray("400 Bad Request");
    }
    match (parameter("error"), parameter("code")) {
        (Some(word), _) => Meaning::Error(word.chars().take(100).collect()),
        (None, Some(code)) if !code.is_empty() => Meaning::Code(code),
        _ => Meaning::Stray("400 Bad Request"),
    }
}

fn answer_to(meaning: &Meaning) -> String {
    let (status, text) = match meaning {
        Meaning::Code(_) => ("200 OK", "You are logged in. You can close this page."),
        Meaning::Error(_) => (
            "200 OK",
            "The login was not completed. The terminal says why; you can close this page.",
        ),
        Meaning::Stray(status) => (*status, "This page belongs to no login that is waiting."),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Spec Kitty</title>\
         <body><p>{text}</p></body></html>"
    );
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n\r\n\
         {page}",
        page.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(request: &str) -> Meaning {
        let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        meaning_of(&head, &Secret::new("right"))
    }

    #[test]
    fn only_the_state_of_this_login_ends_the_wait() {
        assert_eq!(
            meaning("GET /callback?code=a%2Bb&state=right"),
            Meaning::Code("a+b".to_owned())
        );
        assert_eq!(
            meaning("GET /callback?error=access_denied&state=right"),
            Meaning::Error("access_denied".to_owned())
        );
        for stray in [
            "GET /callback?code=a&state=wrong",
            "GET /callback?code=a&state=",
            "GET /callback?code=a",
            "GET /callback?error=access_denied",
            "GET /callback?error=access_denied&state=wrong&state=right",
            "GET /callback?state=right",
            "GET /callback?state=right&code=",
            "GET /favicon.ico",
            "GET /callbacks?code=a&state=right",
            "POST /callback?code=a&state=right",
            "",
            "GET",
        ] {
            assert!(matches!(meaning(stray), Meaning::Stray(_)), "{stray}");
        }
    }

    #[test]
    fn no_answer_repeats_what_was_sent() {
        for request in [
            "GET /callback?code=%3Cscript%3E&state=right",
            "GET /callback?error=%3Cscript%3E&state=right",
            "GET /<script>",
        ] {
            assert!(!answer_to(&meaning(request)).contains("script"));
        }
    }
}
