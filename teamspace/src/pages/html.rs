//! The frame of every page, and escaping.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use std::fmt;

/// What a page may load and do. Where a form may lead is not restricted, because browsers apply
/// that to the redirect that ends a login, and its port is the client's choice.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Shows text in HTML, in an element or in a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            formatter.write_str(&rest[..at])?;
            formatter.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        formatter.write_str(rest)
    }
}

/// Answers a page; `main` is HTML.
pub(super) fn page(status: StatusCode, title: &str, main: &str) -> HttpResponse {
    let title = Text(title);
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} - Teamspace</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
             </head>\n<body>\n<main>\n<h1>{title}</h1>\n{main}</main>\n</body>\n</html>\n"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element_or_attribute() {
        assert_eq!(
            Text("a<b>\"c'&\u{e9}").to_string(),
            "a&lt;b&gt;&quot;c&#39;&amp;\u{e9}"
        );
    }
}
