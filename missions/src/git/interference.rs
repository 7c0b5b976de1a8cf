//! Other git processes at work in the same repository: what they make git refuse, and how long each
//! is waited for.
//!
//! Git itself waits for nobody. It gives up on a lock that another process holds, and on a linked
//! worktree that another process is just making or removing: every command that looks at all
//! worktrees reads the files of that one too, and fails where one is still empty or already gone.
//! Both refusals come before the command changes anything, so it is tried again.

use super::GitError;
use std::time::Duration;

/// How long other git processes may stand in the way.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// What git says of the files of a worktree that is being made or removed.
const UNREADABLE: [&str; 3] = [
    "fatal: failed to read ",
    "fatal: Invalid path ",
    "fatal: could not create directory of ",
];

/// Why it says so: the file is gone, or it is empty and the last error was one of before or none,
/// which each C library words its own way. Any other reason, such as a missing permission, stays.
const PASSING: [&str; 5] = [
    ": No such file or directory",
    ": Inappropriate ioctl for device",
    ": Success",
    ": Undefined error: 0",
    ": No error information",
];

/// What another git process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interference {
    /// It holds the index, a reference or the configuration.
    Lock,
    /// It makes or removes a linked worktree.
    Worktree,
}

impl Interference {
    /// Recognises it in what git printed, which is English and one line.
    pub(super) fn of(error: &str) -> Option<Self> {
        if error.contains(".lock'") && error.contains("File exists") {
            return Some(Self::Lock);
        }
        let passing = PASSING.iter().any(|reason| error.ends_with(reason));
        let worktree = UNREADABLE.iter().any(|words| {
            error
                .split_once(words)
                .is_some_and(|(_, rest)| rest.contains("/worktrees"))
        });
        (passing && worktree).then_some(Self::Worktree)
    }

    /// The error once it lasted longer than [`PATIENCE`].
    pub(super) const fn lasted(self, purpose: &'static str, detail: String) -> GitError {
        match self {
            Self::Lock => GitError::Locked { purpose, detail },
            Self::Worktree => GitError::WorktreeInTheMaking { purpose, detail },
        }
    }
}

/// Tells whether git refused a commit because somebody else committed since it had begun.
pub(super) fn head_moved(error: &str) -> bool {
    error
        .split_once("cannot lock ref 'HEAD': is at ")
        .is_some_and(|(_, rest)| rest.contains(" but expected "))
}

#[expect(
    clippy::disallowed_methods,
    reason = "git offers no way to wait for another git process"
)]
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As git 2.47 prints it beside others that make and remove worktrees.
    #[test]
    fn what_other_git_processes_cause_is_recognised() {
        for said in [
            "fatal: failed to read .git/worktrees/demo-lane-b/commondir: Success",
            "fatal: failed to read .git/worktrees/w/commondir: No such file or directory",
            "fatal: failed to read '.git/worktrees/w/locked': No such file or directory",
            "fatal: Invalid path '/p/.git/worktrees/w': No such file or directory",
            "hint; fatal: Invalid path '/p/.git/worktrees': No such file or directory",
            "fatal: could not create directory of '.git/worktrees/w': No such file or directory",
        ] {
            assert_eq!(
                Interference::of(said),
                Some(Interference::Worktree),
                "{said}"
            );
        }
        assert_eq!(
            Interference::of("fatal: Unable to create '/p/.git/index.lock': File exists."),
            Some(Interference::Lock)
        );
    }

    #[test]
    fn other_refusals_are_final() {
        for said in [
            "",
            "fatal: 'demo' is already used by worktree at '/p/.worktrees/w'",
            "fatal: failed to read object 12: No such file or directory",
            "error: '/p/.git/worktrees/w' was not readable by the hook",
            "fatal: '/p/.worktrees/w' already exists",
            "fatal: could not create directory of '.git/worktrees/w': Permission denied",
            "fatal: could not create directory of '.git/worktrees/w': No space left on device",
            "fatal: failed to read .git/worktrees/w/commondir: Permission denied",
            "fatal: failed to read .git/worktrees/w/commondir: Input/output error",
            "fatal: failed to read /worktrees/p/.git/packed-refs: Is a directory",
        ] {
            assert_eq!(Interference::of(said), None, "{said}");
        }
    }
}
