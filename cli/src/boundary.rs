//! The identity boundary: this process and the recorded daemon must mean the same machine, server,
//! account and queue before anything leaves (reference 8, canary scenario 3).
//!
//! The record is `sync/daemon/owner.json`, which this program and the Python CLI write. It is a hint
//! about who delivers in the background; when it says something else than this process, one of the
//! two would send to the wrong place, so the person decides.

use crate::daemon::hints::Account;
use crate::daemon::hints::directory_of;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::{Invocation, VERSION};
use kitty_actors::auth::messages::{GetSession, SessionDetail, SessionSummary};
use kitty_config::Settings;
use kitty_runtime::fs::read_all;
use kitty_runtime::process::is_taken;
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::time::Duration;

/// How long the session may take to be read.
const LOCAL_LIMIT: Duration = Duration::from_secs(10);

/// Who would act: this process, as the record describes processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreground {
    /// The release.
    pub package_version: String,
    /// The program's file.
    pub executable_path: String,
    /// The checkout that the program runs from; an installed binary has none.
    pub source_path: Option<String>,
    /// The configured server.
    pub server_url: Option<String>,
    /// The account and its Private Teamspace, as `address/team`.
    pub team_or_user: Option<String>,
    /// Where this program keeps its queues.
    pub queue_db_path: String,
    /// The process.
    pub pid: u32,
    /// The account, part by part.
    #[serde(skip)]
    pub account: Option<Account>,
}

/// What the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerRecord {
    /// There is none.
    Absent,
    /// There is one, and a process has its id.
    Present(Value),
    /// There is one, and its process has ended.
    Orphan(Value),
    /// There is one that cannot be read.
    Unreadable(String),
}

/// One thing in which the two differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The stable word of the reference.
    pub field: &'static str,
    /// What this process says.
    pub foreground_value: Option<String>,
    /// What the record says.
    pub daemon_value: Option<String>,
    /// What to do.
    pub remediation_hint: &'static str,
}

/// Both sides and where they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// This process.
    pub foreground: Foreground,
    /// The record.
    pub record: OwnerRecord,
    /// Where they differ, in the order of the reference.
    pub mismatches: Vec<Mismatch>,
}

const RESTART: &str = "Run `spec-kitty doctor restart-daemon`.";
const LOG_IN: &str = "Run `spec-kitty doctor restart-daemon`, or `spec-kitty auth login --force` as \
     the account that the daemon delivers for.";
const CLEAN_UP: &str = "Run `spec-kitty sync daemon stop`; it removes what a daemon left behind.";

impl OwnerRecord {
    /// Reads the record of the state root; changes nothing.
    #[must_use]
    pub fn read(invocation: &Invocation) -> Self {
        let path = invocation.map.daemon_owner();
        let bytes = match read_all(&*invocation.filesystem, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Absent,
            Err(error) => return Self::Unreadable(error.to_string()),
            Ok(bytes) => bytes,
        };
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(record) if record.is_object() => match pid_of(&record) {
                Some(pid) if is_taken(pid) => Self::Present(record),
                Some(_) => Self::Orphan(record),
                None => Self::Unreadable("it names no process".to_owned()),
            },
            Ok(_) => Self::Unreadable("it is no JSON object".to_owned()),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Present(_) => "present",
            Self::Orphan(_) => "orphan",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

fn pid_of(record: &Value) -> Option<u32> {
    record.get("pid")?.as_u64()?.try_into().ok()
}

impl Boundary {
    /// Looks at both sides, in a command that runs no actors yet.
    #[must_use]
    pub fn look(invocation: &Invocation, settings: &Settings) -> Self {
        within_actors(async {
            let hosted = Hosted::start(invocation, settings);
            let boundary = Self::look_within(invocation, settings, &hosted).await;
            hosted.shut_down().await;
            boundary
        })
    }

    /// Looks at both sides; the session is read only when there is something to compare it with.
    pub async fn look_within(
        invocation: &Invocation,
        settings: &Settings,
        hosted: &Hosted,
    ) -> Self {
        let record = OwnerRecord::read(invocation);
        let session = match &record {
            OwnerRecord::Present(_) => session(hosted).await,
            _ => None,
        };
        let foreground = Foreground::of(invocation, settings, session.as_ref());
        let mismatches = match &record {
            OwnerRecord::Present(record) => compare(&foreground, record),
            _ => Vec::new(),
        };
        Self {
            foreground,
            record,
            mismatches,
        }
    }

    /// Tells whether both sides mean the same, or there is only one.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.mismatches.is_empty()
            && matches!(self.record, OwnerRecord::Absent | OwnerRecord::Present(_))
    }

    /// Lists what to do, each once, in the order of the findings.
    #[must_use]
    pub fn remediations(&self) -> Vec<&'static str> {
        let mut hints: Vec<&'static str> = match self.record {
            OwnerRecord::Orphan(_) | OwnerRecord::Unreadable(_) => vec![CLEAN_UP],
            _ => Vec::new(),
        };
        for mismatch in &self.mismatches {
            if !hints.contains(&mismatch.remediation_hint) {
                hints.push(mismatch.remediation_hint);
            }
        }
        hints
    }

    /// Returns the refusal of a command that would send something.
    ///
    /// What a dead daemon left is named by the check and refuses nothing: a daemon that was killed must
    /// not keep the next command from delivering. A record that cannot be read may be anybody's.
    #[must_use]
    pub fn refusal(&self, command: &str) -> Option<Failure> {
        let is_unreadable = matches!(self.record, OwnerRecord::Unreadable(_));
        if self.mismatches.is_empty() && !is_unreadable {
            return None;
        }
        let unreadable = u8::from(is_unreadable);
        let fields: Vec<&str> = self.mismatches.iter().map(|found| found.field).collect();
        let named = if fields.is_empty() {
            String::new()
        } else {
            format!(" ({})", fields.join(", "))
        };
        let message = format!(
            "Refusing `{command}`. Sync boundary refused: {} mismatched field(s){named}; \
             {unreadable} unreadable daemon record(s).",
            fields.len()
        );
        let failure = Failure::new("identity_boundary", message).exit(crate::exit::Exit::Refused);
        Some(failure.next(self.remediations().join(" ")))
    }
}

async fn session(hosted: &Hosted) -> Option<SessionSummary> {
    let question = GetSession {
        detail: SessionDetail::Summary,
    };
    let answer = hosted.system.auth().ask(question, LOCAL_LIMIT).await;
    answer.ok()?.summary
}

impl Foreground {
    fn of(invocation: &Invocation, settings: &Settings, session: Option<&SessionSummary>) -> Self {
        let executable = std::env::current_exe().unwrap_or_default();
        let executable = executable.display().to_string();
        let server = invocation.server(settings).map(|server| server.to_string());
        let account = session.map(|session| Account::of(session, server.as_deref()));
        Self {
            package_version: VERSION.to_owned(),
            source_path: directory_of(&executable).map(str::to_owned),
            executable_path: executable,
            team_or_user: account
                .as_ref()
                .and_then(|account| who(Some(account.principal.clone()), account.team.clone())),
            server_url: server,
            queue_db_path: invocation.map.projects().display().to_string(),
            pid: std::process::id(),
            account,
        }
    }
}

/// Writes an account as the reference does: `address/team`, or what of it is known.
fn who(principal: Option<String>, team: Option<String>) -> Option<String> {
    match (principal, team) {
        (Some(principal), Some(team)) => Some(format!("{principal}/{team}")),
        (principal, team) => principal.or(team),
    }
}

/// Compares field by field; a field that the record leaves out says nothing.
fn compare(foreground: &Foreground, record: &Value) -> Vec<Mismatch> {
    let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut mismatches = Vec::new();
    let mut differs = |field, ours: Option<&String>, theirs: Option<String>, remediation_hint| {
        mismatches.push(Mismatch {
            field,
            foreground_value: ours.cloned(),
            daemon_value: theirs,
            remediation_hint,
        });
    };
    for (field, ours, key) in [
        (
            "daemon_package_version",
            Some(&foreground.package_version),
            "package_version",
        ),
        (
            "daemon_executable_path",
            Some(&foreground.executable_path),
            "executable_path",
        ),
        (
            "daemon_source_path",
            foreground.source_path.as_ref(),
            "source_checkout_path",
        ),
        (
            "daemon_server_url",
            foreground.server_url.as_ref(),
            "server_url",
        ),
    ] {
        let theirs = text(key);
        if theirs.is_some() && theirs.as_ref() != ours {
            differs(field, ours, theirs, RESTART);
        }
    }
    let (principal, team) = (text("auth_principal"), text("auth_team"));
    let account = foreground.account.as_ref();
    let other_user = principal.is_some() && principal.as_ref() != account.map(|it| &it.principal);
    let other_team = team.is_some() && team.as_ref() != account.and_then(|it| it.team.as_ref());
    if other_user || other_team {
        let theirs = who(principal.clone(), team.clone());
        differs(
            "daemon_team_or_user",
            foreground.team_or_user.as_ref(),
            theirs,
            LOG_IN,
        );
    }
    let queue = text("queue_db_path");
    let ours = &foreground.queue_db_path;
    if queue.as_ref().is_some_and(|theirs| theirs != ours) {
        differs("daemon_queue_db_path", Some(ours), queue, RESTART);
    } else if let (Some(account), Some(theirs)) = (account, text("auth_scope"))
        && principal.as_ref() == Some(&account.principal)
        && team == account.team
        && theirs != account.scope
    {
        // The same account and the same place, and yet another queue.
        differs(
            "daemon_queue_db_path",
            Some(&account.scope),
            Some(theirs),
            RESTART,
        );
    }
    mismatches
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ours() -> Foreground {
        Foreground {
            package_version: "1.0.0".into(),
            executable_path: "/bin/spec-kitty".into(),
            source_path: None,
            server_url: Some("https://a.example".into()),
            team_or_user: Some("a@b.co/t-1".into()),
            queue_db_path: "/state/runtime/projects".into(),
            pid: 1,
            account: Some(Account {
                principal: "a@b.co".into(),
                team: Some("t-1".into()),
                scope: "5c09e".into(),
            }),
        }
    }

    fn same() -> Value {
        json!({
            "package_version": "1.0.0", "executable_path": "/bin/spec-kitty",
            "server_url": "https://a.example", "auth_team": "t-1",
            "auth_principal": "a@b.co", "auth_scope": "5c09e", "source_checkout_path": null,
            "queue_db_path": "/state/runtime/projects", "pid": 2,
        })
    }

    #[test]
    fn each_field_that_differs_is_named_with_both_values_and_what_to_do() {
        assert_eq!(compare(&ours(), &same()), []);
        for (key, field) in [
            ("package_version", "daemon_package_version"),
            ("executable_path", "daemon_executable_path"),
            ("server_url", "daemon_server_url"),
            ("source_checkout_path", "daemon_source_path"),
            ("auth_team", "daemon_team_or_user"),
            ("auth_principal", "daemon_team_or_user"),
            ("queue_db_path", "daemon_queue_db_path"),
            ("auth_scope", "daemon_queue_db_path"),
        ] {
            let mut record = same();
            record[key] = json!("other");
            let found = compare(&ours(), &record);
            assert_eq!(found.len(), 1, "{key}");
            assert_eq!(found[0].field, field);
            let theirs = found[0].daemon_value.as_deref().unwrap();
            assert!(theirs.contains("other"), "{theirs}");
            assert_ne!(found[0].foreground_value.as_deref(), Some(theirs));
            assert!(found[0].remediation_hint.contains("spec-kitty "));
        }
    }

    #[test]
    fn a_record_of_an_account_is_compared_although_nobody_is_logged_in_here() {
        let nobody = Foreground {
            team_or_user: None,
            account: None,
            ..ours()
        };
        let found = compare(&nobody, &same());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "daemon_team_or_user");
    }

    #[test]
    fn a_team_that_the_daemon_does_not_know_yet_is_no_other_team() {
        let mut record = same();
        record["auth_team"] = Value::Null;
        record["auth_scope"] = json!("of nobody's team");
        assert_eq!(compare(&ours(), &record), []);
    }
}
