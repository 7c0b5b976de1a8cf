//! The transport over reqwest.

use super::names::SystemNames;
use super::web_socket::{Key, Opening, Upgrade, WebSocket};
use super::{Headers, HttpRequest, HttpResponse, Method, Sending, Transport, TransportError};
use kitty_config::ServerUrl;
use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// The longest answer that is read, in bytes.
pub const MAXIMUM_RESPONSE: usize = 16 * 1024 * 1024;

/// How long connecting may take, within the time of the request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept for the next request.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Sends requests with reqwest: HTTP/1.1, kept-alive connections, no redirects, no cookies.
///
/// Creating one costs nothing: reading the machine's trusted certificates takes 2.5 ms
/// (reference/feasibility.md 3), so a client is made on the first request that needs it. Proxies
/// come from the environment, but never for loopback. TLS is rustls with *ring*, against the
/// certificates that this machine trusts.
#[derive(Debug, Default)]
pub struct HttpClient {
    lanes: [OnceLock<Result<reqwest::Client, String>>; 3],
}

/// Which client a request goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Plain HTTP to this machine: no certificates, no proxy.
    PlainLoopback = 0,
    /// HTTPS to this machine: no proxy.
    Loopback = 1,
    /// HTTPS to another machine, through the proxy of the environment if there is one.
    Remote = 2,
}

impl HttpClient {
    /// Creates a transport that shares its connections among its users.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn prepare(
        &self,
        request: &HttpRequest,
    ) -> Result<(reqwest::Client, reqwest::Request), TransportError> {
        let refused = |reason: String| TransportError::Refused {
            name: request.name,
            endpoint: request.endpoint(),
            reason,
        };
        let url = Url::parse(&request.url).map_err(|error| refused(error.to_string()))?;
        let lane = lane_of(&url)
            .ok_or_else(|| refused("plain HTTP is allowed to this machine only".to_owned()))?;
        let client = self.lanes[lane as usize]
            .get_or_init(|| build(lane))
            .clone()
            .map_err(|reason| TransportError::Tls {
                name: request.name,
                endpoint: request.endpoint(),
                reason,
            })?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Post => reqwest::Method::POST,
        };
        let mut builder = client.request(method, url).timeout(request.timeout);
        for (name, value) in request.headers.iter() {
            builder = builder.header(name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        let prepared = builder
            .build()
            .map_err(|error| refused(describe(&error.without_url())))?;
        Ok((client, prepared))
    }
}

impl Transport for HttpClient {
    fn send(&self, request: HttpRequest) -> Sending {
        let prepared = self.prepare(&request);
        Box::pin(async move {
            let (client, prepared) = prepared?;
            let response = client.execute(prepared).await;
            let response = response.map_err(|error| classify(&request, error))?;
            receive(&request, response).await
        })
    }

    fn open_web_socket(&self, mut request: HttpRequest) -> Opening {
        let key = Key::new();
        for (name, value) in key.headers() {
            request.headers.add(name, value);
        }
        let prepared = self.prepare(&request);
        Box::pin(async move {
            let (client, prepared) = prepared?;
            let response = client.execute(prepared).await;
            let response = response.map_err(|error| classify(&request, error))?;
            if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Upgrade::Answered(receive(&request, response).await?));
            }
            if !key.is_accepted_by(&response) {
                return Err(TransportError::Broken {
                    name: request.name,
                    endpoint: request.endpoint(),
                    reason: "the handshake of the WebSocket is answered wrongly".to_owned(),
                });
            }
            let connection = response.upgrade().await;
            let connection = connection.map_err(|error| classify(&request, error))?;
            Ok(Upgrade::Open(Box::new(WebSocket::over(connection).await)))
        })
    }
}

/// Chooses the lane; `None` when the address may not be sent to.
fn lane_of(url: &Url) -> Option<Lane> {
    let origin = ServerUrl::parse(&url.origin().ascii_serialization()).ok()?;
    Some(match (origin.is_loopback(), url.scheme()) {
        (true, "http") => Lane::PlainLoopback,
        (true, _) => Lane::Loopback,
        (false, _) => Lane::Remote,
    })
}

fn build(lane: Lane) -> Result<reqwest::Client, String> {
    // An error means that a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("spec-kitty/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .dns_resolver(SystemNames)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(KEEP_ALIVE);
    if lane != Lane::Remote {
        builder = builder.no_proxy();
    }
    if lane == Lane::PlainLoopback {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| describe(&error))
}

async fn receive(
    request: &HttpRequest,
    mut response: reqwest::Response,
) -> Result<HttpResponse, TransportError> {
    let too_large = || TransportError::TooLarge {
        name: request.name,
        endpoint: request.endpoint(),
        limit: MAXIMUM_RESPONSE,
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > MAXIMUM_RESPONSE as u64 && request.method != Method::Head {
        return Err(too_large());
    }
    let mut body = bytes::BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAXIMUM_RESPONSE => {
                return Err(too_large());
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(classify(request, error)),
        }
    }
    let mut headers = Headers::default();
    for (name, value) in response.headers() {
        headers.add(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
    }
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers,
        body: body.freeze(),
    })
}

/// Sorts a failure of reqwest into the classes of [`TransportError`].
fn classify(request: &HttpRequest, error: reqwest::Error) -> TransportError {
    let name = request.name;
    let endpoint = request.endpoint();
    let error = error.without_url();
    if let Some(objection) = find::<rustls::Error>(&error) {
        return TransportError::Tls {
            name,
            endpoint,
            reason: objection.to_string(),
        };
    }
    if error.is_timeout() {
        let after = if error.is_connect() {
            request.timeout.min(CONNECT_TIMEOUT)
        } else {
            request.timeout
        };
        return TransportError::Timeout {
            name,
            endpoint,
            after,
        };
    }
    if error.is_connect() {
        let reason = if error.is_dns() {
            "name not found".to_owned()
        } else if find::<io::Error>(&error)
            .is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
        {
            "connection refused".to_owned()
        } else {
            describe(&error)
        };
        return TransportError::Unreachable {
            name,
            endpoint,
            reason,
        };
    }
    TransportError::Broken {
        name,
        endpoint,
        reason: describe(&error),
    }
}

/// Returns the next cause; the chain of sources skips the error that `io::Error` wraps.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Finds the first cause of one type.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| cause(error)).find_map(|error| error.downcast_ref())
}

/// Returns the words of the innermost cause, which says the most in the fewest.
fn describe(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |&error| cause(error))
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::loopback_server::{Answer, LoopbackServer};
    use super::*;
    use bytes::Bytes;

    fn run(request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(HttpClient::default().send(request))
    }

    fn get(url: String) -> HttpRequest {
        HttpRequest::new("the test", Method::Get, url, Duration::from_secs(10))
    }

    #[test]
    fn a_request_arrives_whole_and_its_answer_comes_back() {
        let server = LoopbackServer::start(|_| {
            Answer::new(201, b"done".to_vec()).header("Retry-After", "3")
        });
        let request = HttpRequest::new(
            "the test",
            Method::Post,
            server.endpoint("/oauth/token?x=1"),
            Duration::from_secs(10),
        );
        let request = request
            .header("X-One", "1")
            .form(&[("grant_type", "refresh_token"), ("client_id", "cli_native")]);
        let response = run(request).unwrap();
        assert_eq!((response.status, &response.body[..]), (201, &b"done"[..]));
        assert_eq!(response.headers.get("RETRY-after"), Some("3"));
        let seen = server.requests();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].method, "POST");
        assert_eq!(seen[0].target, "/oauth/token?x=1");
        assert_eq!(
            seen[0].body,
            "grant_type=refresh_token&client_id=cli_native"
        );
        assert_eq!(seen[0].header("x-one"), Some("1"));
        assert_eq!(
            seen[0].header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        let agent = concat!("spec-kitty/", env!("CARGO_PKG_VERSION"));
        assert_eq!(seen[0].header("user-agent"), Some(agent));
        assert_eq!(seen[0].header("cookie"), None);
    }

    #[test]
    fn a_connection_is_used_again_and_cookies_are_not_kept() {
        let server =
            LoopbackServer::start(|_| Answer::new(200, vec![]).header("Set-Cookie", "a=b"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = HttpClient::default();
        for _ in 0..3 {
            runtime
                .block_on(client.send(get(server.endpoint("/"))))
                .unwrap();
        }
        assert_eq!(server.connections(), 1);
        assert!(
            server
                .requests()
                .iter()
                .all(|request| request.header("cookie").is_none())
        );
    }

    #[test]
    fn a_redirect_is_an_answer_and_is_not_followed() {
        let server = LoopbackServer::start(|_| {
            Answer::new(302, vec![]).header("Location", "http://127.0.0.1:1/elsewhere")
        });
        assert_eq!(run(get(server.endpoint("/"))).unwrap().status, 302);
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn a_refused_connection_says_so_without_the_query() {
        let address = LoopbackServer::unused_address();
        let error = run(get(format!("http://{address}/p?token=s3cret"))).unwrap_err();
        let TransportError::Unreachable { reason, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(reason, "connection refused");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        assert!(!error.may_have_arrived());
    }

    #[test]
    fn a_name_that_does_not_resolve_is_unreachable() {
        let error = run(get("https://does-not-exist.invalid/".to_owned())).unwrap_err();
        assert!(
            matches!(
                error,
                TransportError::Unreachable { .. } | TransportError::Timeout { .. }
            ),
            "{error:?}"
        );
    }

    #[test]
    fn a_silent_server_times_out_with_the_name_of_the_request() {
        let server = LoopbackServer::start(|_| Answer::silence());
        let mut request = get(server.endpoint("/slow?token=s3cret"));
        request.timeout = Duration::from_millis(80);
        let error = run(request).unwrap_err();
        let expected = TransportError::Timeout {
            name: "the test",
            endpoint: server.endpoint("/slow"),
            after: Duration::from_millis(80),
        };
        assert_eq!(error, expected);
        assert!(error.may_have_arrived());
    }

    #[test]
    fn a_body_that_stops_half_way_times_out_too() {
        let server = LoopbackServer::start(|_| {
            Answer::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()).hold_open()
        });
        let mut request = get(server.endpoint("/"));
        request.timeout = Duration::from_millis(80);
        let error = run(request).unwrap_err();
        assert!(matches!(error, TransportError::Timeout { .. }), "{error:?}");
    }

    #[test]
    fn garbage_and_torn_answers_are_broken() {
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            b"HTTP/1.1 2",
            b"",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let server = LoopbackServer::start(move |_| Answer::raw(bytes.to_vec()));
            let error = run(get(server.endpoint("/"))).unwrap_err();
            assert!(matches!(error, TransportError::Broken { .. }), "{error:?}");
        }
    }

    #[test]
    fn an_answer_beyond_the_limit_is_cut_whether_announced_or_not() {
        let announced = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            MAXIMUM_RESPONSE + 1
        );
        let endless = {
            let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            bytes.resize(MAXIMUM_RESPONSE + 100_000, b'x');
            bytes
        };
        for bytes in [announced.into_bytes(), endless] {
            let server = LoopbackServer::start(move |_| Answer::raw(bytes.clone()));
            let error = run(get(server.endpoint("/"))).unwrap_err();
            assert!(
                matches!(error, TransportError::TooLarge { limit, .. } if limit == MAXIMUM_RESPONSE),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_server_that_speaks_no_tls_is_a_tls_error() {
        let server = LoopbackServer::start(|_| Answer::raw(b"HTTP/1.1 400 Bad\r\n\r\n".to_vec()));
        let url = server.endpoint("/").replace("http://", "https://");
        let error = run(get(url)).unwrap_err();
        assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
    }

    #[test]
    fn plain_http_beyond_loopback_is_never_sent() {
        for url in [
            "http://a.example/",
            "http://127.0.0.1.evil.example/",
            "ftp://localhost/",
            "not an address",
        ] {
            let error = run(get(url.to_owned())).unwrap_err();
            assert!(matches!(error, TransportError::Refused { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_header_that_could_smuggle_lines_is_refused() {
        let request = get("http://127.0.0.1:1/".to_owned()).header("X-A", "1\r\nX-B: 2");
        let error = run(request).unwrap_err();
        assert!(matches!(error, TransportError::Refused { .. }), "{error:?}");
    }

    #[test]
    fn nothing_is_built_before_the_first_request_and_only_the_lane_it_needs() {
        let client = HttpClient::default();
        let built = |client: &HttpClient| client.lanes.iter().filter_map(OnceLock::get).count();
        assert_eq!(built(&client), 0);
        let request = HttpRequest::new(
            "the test",
            Method::Head,
            "http://127.0.0.1:1/",
            Duration::from_secs(1),
        )
        .body("text/plain", Bytes::from_static(b"x"));
        drop(client.send(request));
        assert_eq!(built(&client), 1);
    }
}
