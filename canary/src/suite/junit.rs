//! The JUnit report that continuous integration reads.

use super::SuiteResult;
use crate::result::Outcome;
use std::fmt::Write as _;

/// The name of the one suite in it.
const SUITE: &str = "teamspace";

/// Renders the report: one suite with a case for each case, its time, and why it failed.
///
/// `timestamp` is when the suite began, ISO 8601; `log` is what the calls were.
#[must_use]
pub fn junit(result: &SuiteResult, timestamp: &str, log: &str) -> String {
    let failed = |it: &&super::CaseResult| it.status == Outcome::Fail;
    let failures = result.cases.iter().filter(failed).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut put = |text: String| xml.push_str(&text);
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{}\"",
        result.cases.len(),
        seconds(result.duration_ms)
    );
    put(format!("<testsuites {counts}>\n"));
    put(format!(
        "  <testsuite name=\"{SUITE}\" {counts} timestamp=\"{}\">\n",
        escaped(timestamp)
    ));
    for case in &result.cases {
        let (name, time) = (case.name.name(), seconds(case.duration_ms));
        put(format!(
            "    <testcase classname=\"{SUITE}\" name=\"{name}\" time=\"{time}\""
        ));
        match (case.failure_mode, &case.details) {
            (Some(mode), details) => {
                let details = escaped(details.as_deref().unwrap_or_default());
                put(format!(
                    ">\n      <failure type=\"{mode}\" message=\"{mode}: {details}\"/>\n    \
                     </testcase>\n"
                ));
            }
            (None, _) => put("/>\n".to_owned()),
        }
    }
    put(format!(
        "    <system-out>{}</system-out>\n  </testsuite>\n</testsuites>\n",
        content(log)
    ));
    xml
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Escapes a text for content, in which lines stay lines.
fn content(text: &str) -> String {
    escaped(text).replace("&#10;", "\n").replace("&#9;", "\t")
}

/// Escapes a text for content and for attributes; what XML 1.0 cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A parser would make blanks of them in an attribute.
            '\t' | '\n' | '\r' => {
                let code = u32::from(character);
                write!(out, "&#{code};").expect("writing to a string cannot fail");
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Case, CaseResult, SuiteFailure};
    use super::*;

    #[test]
    fn what_a_program_said_cannot_break_the_report() {
        let said = "a<b & \"c\" 'd' ]]>\n\u{1b}[0m\u{0}\u{ffff} é 🙀";
        let expected =
            "a&lt;b &amp; &quot;c&quot; &apos;d&apos; ]]&gt;&#10;\u{fffd}[0m\u{fffd}\u{fffd} é 🙀";
        assert_eq!(escaped(said), expected);
        let case = CaseResult {
            name: Case::Sync,
            title: Case::Sync.title(),
            status: Outcome::Fail,
            failure_mode: Some(SuiteFailure::BoardDiffers),
            details: Some(said.to_owned()),
            events: 0,
            duration_ms: 61_005,
        };
        let result = SuiteResult {
            outcome: Outcome::Fail,
            cases: vec![case],
            duration_ms: 62_000,
        };
        let xml = junit(&result, "2026-01-01T00:00:00+00:00", said);
        for part in [
            "tests=\"1\" failures=\"1\"",
            "name=\"sync\" time=\"61.005\"",
            &format!("message=\"board_differs: {expected}\""),
            &format!("<system-out>{}</system-out>", content(said)),
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
    }
}
