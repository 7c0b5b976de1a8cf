//! Whether anything of a project may leave this machine.
//!
//! A machine that has opted in has opted in for every project until a project opts out. What is
//! captured while a project is opted out is kept here and never sent, also not after it has opted in
//! again; what was captured before may go then.

use crate::crashsafe::{self, Durability};
use crate::fs::{Filesystem, read_all};
use crate::time::{SharedTime, iso};
use kitty_config::ScopePaths;
use serde::{Deserialize, Serialize};
use std::io;

/// The version of the format.
const VERSION: u32 = 1;

/// What was decided for a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Its events may go to the targets that accept them.
    Granted,
    /// Nothing of it leaves.
    Refused,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    version: u32,
    consent: Consent,
    decided_at: String,
}

impl Consent {
    /// Reads what was decided; nothing decided is granted, and a decision that cannot be read is
    /// refused, because sending cannot be taken back.
    #[must_use]
    pub fn read(filesystem: &dyn Filesystem, paths: &ScopePaths) -> Self {
        match read_all(filesystem, &paths.consent()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Granted,
            Err(_) => Self::Refused,
            Ok(bytes) => match serde_json::from_slice::<Decision>(&bytes) {
                Ok(decision) if decision.version == VERSION => decision.consent,
                _ => Self::Refused,
            },
        }
    }

    /// Stores a decision; durable against a power cut when it returns.
    ///
    /// # Errors
    /// The file system's; then the decision before still holds.
    pub fn decide(
        self,
        filesystem: &dyn Filesystem,
        time: &SharedTime,
        paths: &ScopePaths,
    ) -> io::Result<()> {
        let decision = Decision {
            version: VERSION,
            consent: self,
            decided_at: iso(time.now()),
        };
        let bytes = serde_json::to_vec(&decision).expect("a decision is plain data");
        crashsafe::replace(filesystem, &paths.consent(), &bytes, Durability::PowerCut)
    }

    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os_filesystem;
    use crate::time::system_time;

    #[test]
    fn a_decision_holds_until_the_next_and_what_cannot_be_read_is_a_refusal() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ScopePaths::at(directory.path().join("scope"));
        let filesystem = os_filesystem();
        let read = || Consent::read(&*filesystem, &paths);
        assert_eq!(read(), Consent::Granted);
        for decision in [Consent::Refused, Consent::Granted, Consent::Refused] {
            decision
                .decide(&*filesystem, &system_time(), &paths)
                .unwrap();
            assert_eq!(read(), decision);
        }
        for garbage in [
            "",
            "{}",
            r#"{"version":2,"consent":"granted","decided_at":""}"#,
        ] {
            let bytes = garbage.as_bytes();
            crashsafe::replace(&*filesystem, &paths.consent(), bytes, Durability::PowerCut)
                .unwrap();
            assert_eq!(read(), Consent::Refused, "{garbage}");
        }
    }
}
