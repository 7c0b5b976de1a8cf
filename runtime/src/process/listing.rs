//! Looking through the processes of this user, to find one by how it was started.
//!
//! Arguments can say anything, so what is found here proves nothing alone; the kernel's word on user,
//! program file and start does. Other users' processes are never looked at.

use super::{ProcessIdentity, ProcessState, observe};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// A process of this user, as it was started.
#[derive(Clone)]
pub struct Listed {
    /// Which process it is; its arguments and program are those of this start.
    pub identity: ProcessIdentity,
    /// How it stands.
    pub state: ProcessState,
    /// Its arguments, the program's name first; they may hold secrets of other programs.
    pub arguments: Vec<String>,
    /// Its program file by the kernel's word, when it tells.
    pub program: Option<PathBuf>,
    environment: Vec<OsString>,
}

impl Listed {
    /// Returns a variable of the environment that it was started with.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let prefix = format!("{name}=");
        self.environment.iter().find_map(|pair| {
            let value = pair.as_encoded_bytes().strip_prefix(prefix.as_bytes())?;
            // What follows the `=` of a pair is the system's own text again.
            std::str::from_utf8(value).ok().map(OsStr::new)
        })
    }
}

/// Prints which process it is; arguments and environment may hold secrets.
impl std::fmt::Debug for Listed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Listed")
            .field("identity", &self.identity)
            .field("state", &self.state)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// Finds the processes of this user whose arguments are wanted, this process left out.
///
/// Reads the process table and nothing else; a process that ends meanwhile is not found.
pub fn of_this_user(is_wanted: impl Fn(&[String]) -> bool) -> Vec<Listed> {
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    let arguments = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_user(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, arguments);
    let own = Pid::from_u32(std::process::id());
    let user = system
        .process(own)
        .and_then(|own| own.effective_user_id())
        .cloned();
    let candidates: Vec<Pid> = system
        .processes()
        .values()
        .filter(|process| process.pid() != own && process.thread_kind().is_none())
        .filter(|process| user.is_none() || process.effective_user_id() == user.as_ref())
        .filter(|process| is_wanted(&words(process.cmd())))
        .map(sysinfo::Process::pid)
        .collect();
    candidates
        .into_iter()
        .filter_map(|pid| closer(pid, &is_wanted))
        .collect()
}

/// Looks at one process more closely, between two looks at its start: both the same, so is it.
fn closer(pid: Pid, is_wanted: &impl Fn(&[String]) -> bool) -> Option<Listed> {
    let before = observe(pid.as_u32())?;
    let mut system = System::new().ok()?;
    let everything = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_exe(UpdateKind::Always)
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, everything);
    let process = system.process(pid)?;
    let arguments = words(process.cmd());
    let after = observe(pid.as_u32())?;
    if before.start != after.start || !is_wanted(&arguments) {
        return None;
    }
    Some(Listed {
        identity: ProcessIdentity {
            pid: pid.as_u32(),
            start: after.start,
        },
        state: after.state,
        arguments,
        program: process.exe().map(PathBuf::from),
        environment: process.environ().to_vec(),
    })
}

fn words(arguments: &[OsString]) -> Vec<String> {
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    arguments.iter().map(text).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_found_by_its_arguments_with_program_and_environment() {
        let marker = format!("--marker-of-{}", std::process::id());
        let mut child = Command::new("sh")
            .args(["-c", "read line", &marker])
            .env("SPEC_KITTY_TEST_VARIABLE", "a=b")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let found = of_this_user(|words| words.contains(&marker));
        let [listed] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(listed.identity.pid, child.id());
        assert_ne!(listed.identity.state(), ProcessState::Gone);
        assert_eq!(
            listed.variable("SPEC_KITTY_TEST_VARIABLE"),
            Some(OsStr::new("a=b"))
        );
        assert_eq!(listed.variable("SPEC_KITTY"), None);
        assert!(listed.program.is_some());
        assert!(!format!("{listed:?}").contains("a=b"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(of_this_user(|words| words.contains(&marker)).is_empty());
    }
}
