//! Where a browser login may be sent back to: a port of the machine it came from.

use url::{Host, Url};

/// A longer address is not one that a command line listens on.
const LONGEST: usize = 512;

/// Takes a redirect address: `http`, a loopback host, any port and path (RFC 8252, 7.3).
///
/// Returns `None` for anything else, and then nothing may be sent there.
pub(super) fn parse(text: &str) -> Option<Url> {
    if text.len() > LONGEST {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let plain = url.scheme() == "http"
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    (loopback && plain).then_some(url)
}

/// Returns the address with an answer in its query.
pub(super) fn with_answer(mut url: Url, answer: &[(&str, &str)], state: Option<&str>) -> String {
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_a_loopback_host_is_a_redirect_address() {
        for good in [
            "http://127.0.0.1:28888/callback",
            "http://localhost:1/callback",
            "http://[::1]:9/",
            "http://127.0.0.1/x?y=z",
        ] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/callback",
            "https://127.0.0.1:1/callback",
            "http://example.com/callback",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://user@127.0.0.1/",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1/#fragment",
            "javascript:alert(1)",
            "http://0.0.0.0/",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(parse(&format!("http://127.0.0.1/{}", "a".repeat(LONGEST))).is_none());
    }

    #[test]
    fn answer_and_state_are_escaped_behind_an_existing_query() {
        let url = parse("http://127.0.0.1:1/cb?a=b").unwrap();
        assert_eq!(
            with_answer(url, &[("code", "x y")], Some("s&t=\"")),
            "http://127.0.0.1:1/cb?a=b&code=x+y&state=s%26t%3D%22"
        );
    }
}
