//! Kills commands at every point at which something becomes durable or visible.
//!
//! Two ways to die, each at every N: before and after the Nth call of git, by a wrapper that is first
//! on the search path and kills its parent; and at the Nth of each system call that makes something
//! durable or visible, by strace.

use super::process::{is_installed, run, skip, variable, wrap};
use super::sandbox::{Sandbox, write, write_script};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;

/// More points than any command has.
pub const ENOUGH: usize = 200;
/// The calls at which a step becomes durable or visible. Each is counted by itself: strace counts
/// the calls of a name in a thread.
const CALLS: [&str; 7] = [
    "rename",
    "renameat",
    "renameat2",
    "fsync",
    "fdatasync",
    "unlink",
    "unlinkat",
];

/// Where a process dies.
#[derive(Debug, Clone, Copy)]
pub enum Point {
    BeforeGit(usize),
    AfterGit(usize),
    SystemCall(&'static str, usize),
}

/// Kills commands.
pub struct Killer {
    wrapper: PathBuf,
    count: PathBuf,
}

impl Killer {
    pub fn new(sandbox: &Sandbox) -> Self {
        let killer = Self {
            wrapper: sandbox.base().join("wrapper"),
            count: sandbox.base().join("git-calls"),
        };
        let real = run(sandbox
            .command("sh".as_ref())
            .args(["-c", "command -v git"]));
        write_script(
            &killer.wrapper.join("git"),
            &format!(
                "#!/bin/sh\n\
                 n=$(($(cat \"$GIT_CALLS\") + 1))\n\
                 echo $n > \"$GIT_CALLS\"\n\
                 [ $n = \"$KILL_BEFORE\" ] && kill -KILL $PPID && exit 1\n\
                 {} \"$@\"\n\
                 code=$?\n\
                 [ $n = \"$KILL_AFTER\" ] && kill -KILL $PPID\n\
                 exit $code\n",
                real.stdout.trim()
            ),
        );
        killer
    }

    /// Runs a command that dies at a point; tells whether it did.
    pub fn kills(&self, command: Command, point: Point) -> bool {
        let mut command = match point {
            Point::SystemCall(call, n) => at_system_call(&command, call, n),
            Point::BeforeGit(n) => self.at_git(command, "KILL_BEFORE", n),
            Point::AfterGit(n) => self.at_git(command, "KILL_AFTER", n),
        };
        let ran = run(&mut command);
        match (ran.status.code(), ran.status.signal()) {
            (None, Some(9)) => true,
            (Some(0), None) => false,
            _ => panic!("{point:?}: {ran:?}"),
        }
    }

    fn at_git(&self, mut command: Command, name: &str, n: usize) -> Command {
        write(&self.count, "0");
        let mut path = self.wrapper.clone().into_os_string();
        path.push(":");
        path.push(variable("PATH").unwrap());
        command
            .env("PATH", path)
            .env("GIT_CALLS", &self.count)
            .env(name, n.to_string());
        command
    }

    /// Runs commands, each killed one point later, until one lives, for every way to die; `make`
    /// makes the next command. Returns how many were killed.
    pub fn at_every_point(&self, mut make: impl FnMut(Point) -> Command) -> usize {
        let mut points = 0;
        for way in ways() {
            for n in 1..=ENOUGH {
                let point = way(n);
                if !self.kills(make(point), point) {
                    break;
                }
                points += 1;
                assert!(n < ENOUGH, "it never lives");
            }
        }
        points
    }
}

/// Every way to die, by the number of the point.
pub fn ways() -> Vec<Box<dyn Fn(usize) -> Point>> {
    let mut ways: Vec<Box<dyn Fn(usize) -> Point>> =
        vec![Box::new(Point::BeforeGit), Box::new(Point::AfterGit)];
    if is_installed("strace") {
        for call in CALLS {
            ways.push(Box::new(move |n| Point::SystemCall(call, n)));
        }
    } else {
        skip("the kill points between git calls need strace");
    }
    ways
}

/// Kills a program, and none of those that it starts, at the Nth call of a name.
fn at_system_call(command: &Command, call: &str, n: usize) -> Command {
    let mut strace = Command::new("strace");
    // What a child executes is not traced.
    strace.args(["-f", "-b", "execve", "-qq", "-o", "/dev/null"]);
    strace.args(["-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:signal=KILL:when={n}")]);
    wrap(strace, command)
}

#[test]
fn every_way_to_die_kills_and_what_is_not_reached_kills_nobody() {
    let sandbox = Sandbox::empty();
    let killer = Killer::new(&sandbox);
    sandbox.make_repository(&sandbox.repo());
    let mut counts = Vec::new();
    for way in ways() {
        let mut killed = 0;
        for n in 1..ENOUGH {
            let mut command = sandbox.command(super::process::program());
            let slug = format!("m{}-{n}", counts.len());
            command.args(["agent", "mission", "create", &slug, "--json"]);
            if !killer.kills(command, way(n)) {
                break;
            }
            killed += 1;
        }
        counts.push((format!("{:?}", way(0)), killed));
    }
    let of = |name: &str| {
        let mut all = counts.iter().filter(|(way, _)| way.contains(name));
        all.next().map(|(_, killed)| *killed)
    };
    assert!(
        of("BeforeGit") > Some(0) && of("AfterGit") > Some(0),
        "{counts:?}"
    );
    if is_installed("strace") {
        // A creation renames its scaffold into place, after everything in it is stable.
        assert!(
            of("\"rename\"") > Some(0) && of("fsync") > Some(2),
            "{counts:?}"
        );
    }
    let lived = sandbox.run(&["agent", "mission", "create", "last", "--json"]);
    lived.expect_code(0);
}
