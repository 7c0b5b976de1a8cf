//! What git and its hooks print: captured within bounds, and made fit for an error message.

use std::io::Read;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most that is kept of one stream.
const KEPT_BYTES: usize = 1 << 20;
/// The most that an error message quotes.
const QUOTED_CHARACTERS: usize = 1_000;
/// How many of the last lines an error message quotes.
const QUOTED_LINES: usize = 12;

/// Drains one stream of a child in its own thread, so that a full pipe never blocks the child.
pub(super) struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Capture {
    pub(super) fn start(mut stream: impl Read + Send + 'static) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            let mut buffer = [0; 8 * 1024];
            while let Ok(count) = stream.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                let mut kept = shared
                    .lock()
                    .expect("nothing panics while the lock is held");
                let room = KEPT_BYTES.saturating_sub(kept.len());
                kept.extend_from_slice(&buffer[..count.min(room)]);
            }
            // Nobody listens any more only when the caller gave up on the rest.
            let _ = end.send(());
        });
        Self { kept, ended }
    }

    /// Returns what was printed, waiting a moment for the rest.
    ///
    /// A background process that a hook left behind may hold the stream open for ever; it is not
    /// waited for.
    pub(super) fn finish(self, limit: Duration) -> Vec<u8> {
        let _ = self.ended.recv_timeout(limit);
        std::mem::take(
            &mut *self
                .kept
                .lock()
                .expect("nothing panics while the lock is held"),
        )
    }
}

/// Makes one line of the end of a stream: no control characters, no credentials of URLs.
pub(super) fn tidy(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(|line| without_credentials(&without_escapes(line)))
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let quoted = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("; ");
    match quoted.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", &quoted[..end]),
        None => quoted,
    }
}

/// Drops terminal escapes (`ESC [ … letter`) and every other control character.
fn without_escapes(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            while characters
                .next_if(|next| !next.is_ascii_alphabetic())
                .is_some()
            {}
            characters.next();
        } else if character == '\t' {
            kept.push(' ');
        } else if !character.is_control() {
            kept.push(character);
        }
    }
    kept
}

/// Replaces the `user:password` of every URL.
fn without_credentials(line: &str) -> String {
    let mut result = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(scheme_end) = rest.find("://") {
        let (before, after) = rest.split_at(scheme_end + 3);
        result.push_str(before);
        let authority_end = after
            .find(|character: char| character == '/' || character.is_whitespace())
            .unwrap_or(after.len());
        match after[..authority_end].rfind('@') {
            Some(at) => {
                result.push_str("<redacted>");
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_without_escapes_and_credentials() {
        let raw = b"\x1b[31mfatal:\x1b[0m cannot reach https://me:hunter2@host/x and\r\n\n\tssh://git@h/y\x07\n";
        assert_eq!(
            tidy(raw),
            "fatal: cannot reach https://<redacted>@host/x and; ssh://<redacted>@h/y"
        );
    }

    #[test]
    fn a_password_with_an_at_sign_is_not_quoted() {
        let tidied = tidy(b"https://u:p@ss@host/x ok");
        assert_eq!(tidied, "https://<redacted>@host/x ok");
    }

    #[test]
    fn only_the_end_of_a_long_message_is_quoted_and_it_is_bounded() {
        let long: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
        let tidied = tidy(long.as_bytes());
        assert!(tidied.starts_with("line 988; "), "{tidied}");
        assert!(tidied.ends_with("line 999"));
        assert_eq!(tidy("é".repeat(5_000).as_bytes()).chars().count(), 1_001);
    }

    #[test]
    fn a_stream_that_stays_open_is_not_waited_for_beyond_the_limit() {
        let (reader, writer) = std::io::pipe().unwrap();
        let capture = Capture::start(reader);
        assert_eq!(capture.finish(Duration::from_millis(5)), b"");
        drop(writer);
    }
}
