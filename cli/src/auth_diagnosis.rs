//! What is wrong with session, refresh lock and daemon, as `auth doctor` names it (reference 4).
//!
//! Facts come in, findings go out; ids, severities and commands are those of the Python CLI, except
//! where a command would not exist here.

use kitty_actors::auth::session_status::ServerSession;
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a look.
    Warn,
    /// Something does not work.
    Critical,
}

/// What to do about a finding; the keys are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remediation {
    /// A command that exists, if one helps.
    pub command: Option<&'static str>,
    /// The same in words.
    pub description: String,
}

/// One finding; the keys are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `F-001` to `F-008`.
    pub id: &'static str,
    /// The one next step.
    pub remediation: Option<Remediation>,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter, in one sentence.
    pub summary: String,
}

/// The session, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionFact {
    /// There is none; why one that lies there does not count.
    Absent(Option<String>),
    /// The token comes from the environment; nothing is known about its session.
    Environment,
    /// There is one.
    Present {
        /// Seconds until the access token ends.
        access_s: i64,
        /// Seconds until the refresh token ends, if that is known.
        refresh_s: Option<i64>,
    },
}

/// The refresh lock, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LockFact {
    /// Whether a process holds it now.
    pub held: bool,
    /// Who says to hold it, or to have held it.
    pub holder_pid: Option<u32>,
    /// On which host.
    pub holder_host: Option<String>,
    /// For how long, in seconds.
    pub age_s: Option<f64>,
    /// Whether that is too long.
    pub stuck: bool,
}

/// Everything that is looked at.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Whether the machine has opted in.
    pub hosted_sync: bool,
    /// The session.
    pub session: SessionFact,
    /// Whether the session on disk changed while it was looked at.
    pub drift: bool,
    /// The refresh lock.
    pub lock: &'a LockFact,
    /// From when on it counts as stuck.
    pub stuck_threshold_s: f64,
    /// The recorded daemon: whether it lives, and its release.
    pub daemon: Option<(bool, Option<String>)>,
    /// This release.
    pub version: &'a str,
    /// This host.
    pub hostname: &'a str,
    /// Daemons that nobody records: how many, and whether ending one takes `--force`.
    pub orphans: (usize, bool),
    /// What the server said, if it was asked.
    pub server: Option<&'a ServerSession>,
}

const LOG_IN: &str = "spec-kitty auth login";
const RESET: &str = "spec-kitty auth doctor --reset";
const RESET_FORCED: &str = "spec-kitty auth doctor --reset --force";

/// Names everything, in the order of the ids.
#[must_use]
pub fn diagnose(facts: &Facts<'_>) -> Vec<Finding> {
    let found = [
        no_session(facts),
        orphans(facts),
        stuck_lock(facts),
        daemon_version(facts),
        daemon_absent(facts),
        drift(facts),
        other_host(facts),
        verdict(facts),
    ];
    found.into_iter().flatten().collect()
}

/// Tells whether anything does not work.
#[must_use]
pub fn is_critical(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.severity == Severity::Critical)
}

fn finding(
    id: &'static str,
    severity: Severity,
    summary: impl Into<String>,
    command: Option<&'static str>,
    description: impl Into<String>,
) -> Option<Finding> {
    Some(Finding {
        id,
        remediation: Some(Remediation {
            command,
            description: description.into(),
        }),
        severity,
        summary: summary.into(),
    })
}

fn no_session(facts: &Facts<'_>) -> Option<Finding> {
    let SessionFact::Absent(cause) = &facts.session else {
        return None;
    };
    let summary = match cause {
        Some(cause) => format!("No active session: {cause}"),
        None => "No active session".to_owned(),
    };
    let how = if facts.hosted_sync {
        "Log in to establish a session."
    } else {
        "Log in to establish a session; set SPEC_KITTY_ENABLE_SAAS_SYNC=1 first."
    };
    finding("F-001", Severity::Critical, summary, Some(LOG_IN), how)
}

fn orphans(facts: &Facts<'_>) -> Option<Finding> {
    let (count, forced) = facts.orphans;
    if count == 0 {
        return None;
    }
    let summary = format!("{count} orphan daemon(s) of this state root live");
    let (command, how) = if forced {
        (
            RESET_FORCED,
            "End them; the Python CLI's only with --force.",
        )
    } else {
        (RESET, "End them; each is provably ours.")
    };
    finding("F-002", Severity::Warn, summary, Some(command), how)
}

fn stuck_lock(facts: &Facts<'_>) -> Option<Finding> {
    let lock = facts.lock;
    let age = lock.age_s.filter(|_| lock.stuck)?;
    let summary = format!(
        "Refresh lock stuck (age {age:.1}s > threshold {:.1}s)",
        facts.stuck_threshold_s
    );
    let (command, how) = if lock.held {
        let pid = lock.holder_pid.unwrap_or_default();
        let how = format!("Process {pid} lives and holds it; end it, and the lock ends with it.");
        (None, how)
    } else {
        let how = "Nobody holds it any more; empty the record of the holder that died.".to_owned();
        (Some("spec-kitty auth doctor --unstick-lock"), how)
    };
    finding("F-003", Severity::Critical, summary, command, how)
}

fn daemon_version(facts: &Facts<'_>) -> Option<Finding> {
    let (true, Some(running)) = facts.daemon.clone()? else {
        return None;
    };
    if running == facts.version {
        return None;
    }
    let summary = format!(
        "Daemon version mismatch (running={running}, installed={})",
        facts.version
    );
    let command = Some("spec-kitty doctor restart-daemon");
    let how = "Restart the daemon as this release.";
    finding("F-004", Severity::Warn, summary, command, how)
}

fn daemon_absent(facts: &Facts<'_>) -> Option<Finding> {
    if !facts.hosted_sync {
        return None;
    }
    match facts.daemon {
        None => finding(
            "F-005",
            Severity::Info,
            "Daemon not running; commands deliver by themselves.",
            Some("spec-kitty sync daemon start"),
            "Start it to deliver in the background.",
        ),
        Some((false, _)) => finding(
            "F-005",
            Severity::Info,
            "Recorded daemon is not running.",
            Some(RESET),
            "Remove what it left behind.",
        ),
        Some((true, _)) => None,
    }
}

fn drift(facts: &Facts<'_>) -> Option<Finding> {
    if !facts.drift || facts.lock.held {
        return None;
    }
    finding(
        "F-006",
        Severity::Warn,
        "Persisted session differs from in-memory state",
        Some("spec-kitty auth doctor"),
        "Another process changed it just now; look again.",
    )
}

fn other_host(facts: &Facts<'_>) -> Option<Finding> {
    let holder = facts.lock.holder_host.as_deref()?;
    if holder == facts.hostname {
        return None;
    }
    let summary = format!(
        "Lock holder is on a different host (holder={holder}, this={})",
        facts.hostname
    );
    let how = "Look there: the state root is shared between machines, which locks do not survive.";
    finding("F-007", Severity::Warn, summary, None, how)
}

/// Judges a session that is there: alive, dead, or not known without the server.
fn verdict(facts: &Facts<'_>) -> Option<Finding> {
    let server_command = "spec-kitty auth doctor --server";
    let not_confirmed = |evidence: &str| format!("Session health not confirmed: {evidence}");
    let (refresh_s, access_ended) = match facts.session {
        SessionFact::Absent(_) => return None,
        SessionFact::Environment => (None, true),
        SessionFact::Present {
            access_s,
            refresh_s,
        } => (refresh_s, access_s <= 0),
    };
    let ended = refresh_s.is_some_and(|seconds| seconds <= 0);
    let critical = |evidence: &str, how: &str| {
        finding(
            "F-008",
            Severity::Critical,
            not_confirmed(evidence),
            Some(LOG_IN),
            how,
        )
    };
    match facts.server {
        Some(server) if server.active => None,
        _ if ended => critical("refresh token expired", "Log in again."),
        Some(server) => {
            let evidence = server.error.as_deref().unwrap_or("the server said no");
            if evidence == kitty_actors::auth::session_status::RE_AUTHENTICATE {
                return critical("the server rejected the session", "Log in again.");
            }
            let how = "Look again when the server can be reached.";
            let severity = if access_ended {
                Severity::Critical
            } else {
                Severity::Warn
            };
            let summary = not_confirmed(evidence);
            finding("F-008", severity, summary, Some(server_command), how)
        }
        None if access_ended => {
            let evidence = if facts.session == SessionFact::Environment {
                "the token comes from SPEC_KITTY_ACCESS_TOKEN and is not verified offline"
            } else {
                "access token expired; refresh chain not verified offline"
            };
            finding(
                "F-008",
                Severity::Warn,
                not_confirmed(evidence),
                Some(server_command),
                "Ask the server.",
            )
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy(lock: &LockFact) -> Facts<'_> {
        Facts {
            hosted_sync: true,
            session: SessionFact::Present {
                access_s: 60,
                refresh_s: None,
            },
            drift: false,
            lock,
            stuck_threshold_s: 60.0,
            daemon: Some((true, Some("1.0.0".into()))),
            version: "1.0.0",
            hostname: "here",
            orphans: (0, false),
            server: None,
        }
    }

    fn named(facts: &Facts<'_>) -> Vec<(&'static str, Severity)> {
        let found = diagnose(facts);
        found.iter().map(|it| (it.id, it.severity)).collect()
    }

    #[test]
    fn every_fault_has_its_id_and_severity_and_a_healthy_machine_none() {
        use Severity::{Critical, Info, Warn};
        let free = LockFact::default();
        assert_eq!(named(&healthy(&free)), []);
        let dead = LockFact {
            held: false,
            holder_pid: Some(7),
            holder_host: Some("here".into()),
            age_s: Some(61.0),
            stuck: true,
        };
        let live = LockFact {
            held: true,
            ..dead.clone()
        };
        let elsewhere = LockFact {
            holder_host: Some("there".into()),
            stuck: false,
            ..live.clone()
        };
        let present = |access_s, refresh_s| SessionFact::Present {
            access_s,
            refresh_s,
        };
        let base = || healthy(&free);
        for (facts, expected) in [
            (
                Facts {
                    session: SessionFact::Absent(None),
                    ..base()
                },
                ("F-001", Critical),
            ),
            (
                Facts {
                    orphans: (1, false),
                    ..base()
                },
                ("F-002", Warn),
            ),
            (healthy(&dead), ("F-003", Critical)),
            (healthy(&live), ("F-003", Critical)),
            (
                Facts {
                    version: "2.0.0",
                    ..base()
                },
                ("F-004", Warn),
            ),
            (
                Facts {
                    daemon: None,
                    ..base()
                },
                ("F-005", Info),
            ),
            (
                Facts {
                    daemon: Some((false, None)),
                    ..base()
                },
                ("F-005", Info),
            ),
            (
                Facts {
                    drift: true,
                    ..base()
                },
                ("F-006", Warn),
            ),
            (healthy(&elsewhere), ("F-007", Warn)),
            (
                Facts {
                    session: present(-1, Some(9)),
                    ..base()
                },
                ("F-008", Warn),
            ),
            (
                Facts {
                    session: present(-1, Some(-1)),
                    ..base()
                },
                ("F-008", Critical),
            ),
            (
                Facts {
                    session: SessionFact::Environment,
                    ..base()
                },
                ("F-008", Warn),
            ),
        ] {
            assert_eq!(named(&facts), [expected], "{facts:?}");
        }
    }

    #[test]
    fn the_word_of_the_server_decides_about_the_session() {
        use Severity::{Critical, Warn};
        let free = LockFact::default();
        let yes = ServerSession {
            active: true,
            session_id: None,
            error: None,
        };
        let no = ServerSession::unconfirmed("re-authenticate");
        let away = ServerSession::unconfirmed("away");
        for (access_s, server, expected) in [
            (60, &yes, None),
            (-1, &yes, None),
            (60, &no, Some(Critical)),
            (-1, &no, Some(Critical)),
            (60, &away, Some(Warn)),
            (-1, &away, Some(Critical)),
        ] {
            let session = SessionFact::Present {
                access_s,
                refresh_s: Some(99),
            };
            let facts = Facts {
                session,
                server: Some(server),
                ..healthy(&free)
            };
            let severity = diagnose(&facts).first().map(|it| it.severity);
            assert_eq!(severity, expected, "{access_s} {server:?}");
        }
    }

    #[test]
    fn a_lock_is_only_to_be_freed_when_its_holder_is_gone() {
        for (held, command) in [
            (true, None),
            (false, Some("spec-kitty auth doctor --unstick-lock")),
        ] {
            let lock = LockFact {
                held,
                holder_pid: Some(7),
                holder_host: None,
                age_s: Some(99.0),
                stuck: true,
            };
            let found = diagnose(&healthy(&lock));
            assert_eq!(found[0].remediation.as_ref().unwrap().command, command);
        }
    }
}
