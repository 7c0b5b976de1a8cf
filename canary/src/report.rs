//! One page for people: the table of the runs, how long everything took, and why something failed. The
//! page needs nothing but itself.

use crate::result::{CanaryRunResult, Outcome, Scenario, ScenarioResult};
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
color:#1c1c1c;background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}th,td{border:1px solid #c8c8c8;padding:.4rem .6rem;\
text-align:left;vertical-align:top}th{background:#f2f2f2}.pass{color:#0a5c2b}.fail{color:#9b1c1c;\
font-weight:600}.none{color:#666}code,pre{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}\
pre{background:#f6f6f6;border:1px solid #ddd;padding:.6rem;white-space:pre-wrap}small{color:#555}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}th{background:#262626}\
th,td{border-color:#444}.pass{color:#6fd08c}.fail{color:#ff8f8f}pre{background:#1f1f1f;border-color:#444}\
small,.none{color:#aaa}}";

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
    }
}

/// Renders the page; `findings` are what the verification found, and empty when nothing was changed.
#[must_use]
pub fn page(title: &str, runs: &[CanaryRunResult], findings: &[String]) -> String {
    let mut page = String::new();
    render(&mut page, title, runs, findings).expect("writing to a string cannot fail");
    page
}

fn render(
    page: &mut String,
    title: &str,
    runs: &[CanaryRunResult],
    findings: &[String],
) -> std::fmt::Result {
    let title = escaped(title);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>Identity-boundary canary: {title}</h1>\n"
    )?;
    if let Some(first) = runs.first() {
        writeln!(
            page,
            "<p>CLI <code>{}</code> ({}), events {}, server <code>{}</code></p>",
            escaped(&first.cli_path),
            escaped(&first.cli_version),
            escaped(&first.events_package_version),
            escaped(&first.saas_url)
        )?;
    }
    verification(page, findings)?;
    table(page, runs)?;
    for run in runs {
        for scenario in run.scenarios.iter().filter(|it| it.status == Outcome::Fail) {
            failure(page, run, scenario)?;
        }
    }
    page.push_str("</body></html>\n");
    Ok(())
}

fn verification(page: &mut String, findings: &[String]) -> std::fmt::Result {
    if findings.is_empty() {
        return writeln!(
            page,
            "<p class=\"pass\">The evidence verifies: nothing was changed since it was written.</p>"
        );
    }
    writeln!(
        page,
        "<p class=\"fail\">The evidence does not verify:</p><ul>"
    )?;
    for finding in findings {
        writeln!(page, "<li><code>{}</code></li>", escaped(finding))?;
    }
    writeln!(page, "</ul>")
}

fn table(page: &mut String, runs: &[CanaryRunResult]) -> std::fmt::Result {
    write!(
        page,
        "<h2>Runs</h2>\n<table><thead><tr><th>Run</th><th>Outcome</th>"
    )?;
    for scenario in Scenario::ALL {
        write!(
            page,
            "<th>{}. {}</th>",
            scenario.id(),
            escaped(scenario.title())
        )?;
    }
    writeln!(page, "</tr></thead><tbody>")?;
    for run in runs {
        let outcome = word(run.outcome);
        write!(
            page,
            "<tr><td>{}<br><small>{}<br><code>{}</code></small></td>\
             <td class=\"{outcome}\">{}<br><small>{}</small></td>",
            run.run_number,
            escaped(&run.timestamp),
            escaped(&run.run_id),
            outcome.to_uppercase(),
            seconds(run.duration_ms)
        )?;
        for scenario in Scenario::ALL {
            match run.scenarios.iter().find(|it| it.id == scenario.id()) {
                None => write!(page, "<td class=\"none\">not run</td>")?,
                Some(found) => cell(page, found)?,
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody></table>")
}

fn cell(page: &mut String, found: &ScenarioResult) -> std::fmt::Result {
    let status = word(found.status);
    write!(page, "<td class=\"{status}\">{status}")?;
    if let Some(mode) = found.failure_mode {
        write!(page, "<br><code>{mode}</code>")?;
    }
    let counts = &found.boundary_evidence.saas_counts;
    write!(
        page,
        "<br><small>{}, {} events</small></td>",
        seconds(found.duration_ms),
        counts.sync_event_count
    )
}

fn failure(page: &mut String, run: &CanaryRunResult, found: &ScenarioResult) -> std::fmt::Result {
    let mode = found.failure_mode;
    writeln!(
        page,
        "<h2>Run {}, scenario {}: <code>{}</code></h2>\n<p>{}</p>\n<pre>{}</pre>",
        run.run_number,
        found.id,
        mode.map_or("", |mode| mode.as_str()),
        escaped(mode.map_or("", |mode| mode.meaning())),
        escaped(found.details.as_deref().unwrap_or_default())
    )?;
    let evidence = &found.boundary_evidence;
    if let Some(code) = evidence.sync_status_check_exit_code {
        writeln!(
            page,
            "<details><summary>The last <code>sync status --check</code> (ended with {code})\
             </summary><pre>{}</pre></details>",
            escaped(&evidence.sync_status_check_stdout)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{BoundaryEvidence, FailureMode};

    fn run() -> CanaryRunResult {
        let failed = ScenarioResult {
            id: 4,
            name: Scenario::Rejection.title().into(),
            status: Outcome::Fail,
            failure_mode: Some(FailureMode::RollbackRowMismatch),
            details: Some("<script>alert('x')</script>".into()),
            duration_ms: 1_234,
            boundary_evidence: BoundaryEvidence::default(),
        };
        CanaryRunResult {
            outcome: Outcome::Fail,
            run_id: "01KRZYYXFZHZYHPPXJBVWV273E".into(),
            run_number: 2,
            cli_version: "1.0".into(),
            events_package_version: "6.1.0".into(),
            timestamp: "2026-01-01T00:00:00Z".into(),
            scenarios: vec![failed],
            cli_path: "/bin/spec-kitty".into(),
            saas_url: "http://127.0.0.1:1".into(),
            duration_ms: 2_000,
        }
    }

    #[test]
    fn the_page_tells_what_failed_and_why_and_repeats_no_markup() {
        let page = page(
            "v1-attempt1",
            &[run()],
            &["latest.json: was changed".into()],
        );
        for part in [
            "rollback_row_mismatch",
            "1.234 s",
            "not run",
            "&lt;script&gt;",
            "latest.json: was changed",
            "FAIL",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<script"));
        assert!(
            !page.contains("src=") && !page.contains("href="),
            "self-contained"
        );
    }
}
