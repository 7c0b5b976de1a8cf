//! Processes of the real program: what they said, how they ended, and what they asked the kernel for.
//!
//! Every process has a deadline and is ended by its own id when it passes.

use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long any process may take; generous, because the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_spec-kitty"))
}

/// Returns a variable of the test process.
#[expect(
    clippy::disallowed_methods,
    reason = "tests clear the environment of every child and must pass the search path on"
)]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// How a process ended and what it said.
#[derive(Clone)]
pub struct Run {
    pub what: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl fmt::Debug for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` ended with {} after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.what, self.status, self.took, self.stdout, self.stderr
        )
    }
}

impl Run {
    fn new(what: String, output: Output, took: Duration) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        Self {
            what,
            status: output.status,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            took,
        }
    }

    /// The exit code; a process that a signal ended has none.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self:?}"))
    }

    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self:?}");
        self
    }

    /// Reads stdout as exactly one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(self.stdout.ends_with('\n'), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Tells whether either stream holds a text.
    pub fn says(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    Running::start(command).finish()
}

/// Lets one command start another: with its arguments, its environment and its directory.
pub fn wrap(mut wrapper: Command, command: &Command) -> Command {
    wrapper
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapper.env(name, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        wrapper.current_dir(directory);
    }
    wrapper
}

/// Describes a command as it is typed.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// A process that runs.
pub struct Running {
    what: String,
    child: Option<Child>,
    started: Instant,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self {
            what: describe(command),
            child: Some(child.unwrap_or_else(|error| panic!("{}: {error}", describe(command)))),
            started,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it was not waited for").id()
    }

    /// Waits for its end and returns everything it said.
    pub fn finish(mut self) -> Run {
        let child = self.child.take().expect("it was not waited for");
        let id = child.id();
        let (sender, receiver) = channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        match receiver.recv_timeout(DEADLINE) {
            Ok(output) => Run::new(
                self.what.clone(),
                output.expect("its output can be read"),
                self.started.elapsed(),
            ),
            Err(_) => {
                signal("KILL", id);
                panic!("`{}` did not end within {DEADLINE:?}", self.what)
            }
        }
    }

    /// Goes on line by line.
    pub fn lines(mut self) -> Talking {
        let mut child = self.child.take().expect("it was not waited for");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Talking {
            what: self.what.clone(),
            child,
            lines,
            stderr: Some(std::thread::spawn(move || read_all(stderr))),
            started: self.started,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read_all(mut stderr: ChildStderr) -> String {
    let mut text = String::new();
    let _ = stderr.read_to_string(&mut text);
    text
}

/// A process whose stdout is read line by line while it runs; it ends with its owner.
pub struct Talking {
    what: String,
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    started: Instant,
}

impl Talking {
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the next line, or `None` when it has said everything.
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("`{}` said nothing for {DEADLINE:?}", self.what)
            }
        }
    }

    /// Reads on to the first line that begins with a text, and returns what follows it.
    pub fn line_after(&self, beginning: &str) -> String {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            if let Some(rest) = line.trim_start().strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
            seen.push(line);
        }
        panic!("`{}` never said {beginning:?}: {seen:?}", self.what)
    }

    /// Waits for its end; `stdout` holds the lines that were not read before.
    pub fn finish(mut self) -> Run {
        let mut stdout = String::new();
        while let Some(line) = self.line() {
            stdout.push_str(&line);
            stdout.push('\n');
        }
        let stderr = self.stderr.take().expect("it was not waited for");
        let stderr = stderr.join().expect("stderr can be read");
        // Both streams are closed, so it has ended or is about to.
        let status = self.child.wait().expect("it can be waited for");
        Run {
            what: self.what.clone(),
            status,
            stdout,
            stderr,
            took: self.started.elapsed(),
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to one process by its id.
pub fn signal(name: &str, id: u32) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), id.to_string()])
        .stderr(Stdio::null())
        .status();
    assert!(sent.is_ok(), "`kill` cannot be started");
}

/// Tells whether this run must not skip anything: continuous integration sets `CI`.
pub fn is_ci() -> bool {
    variable("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Says that a test proves nothing here, and why; in continuous integration that is a failure.
pub fn skip(why: &str) {
    assert!(!is_ci(), "a test cannot be skipped here: {why}");
    #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
    {
        eprintln!("skipped: {why}");
    }
}

/// Tells whether a program can be started.
pub fn is_installed(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Tells whether this process is the superuser, whom permissions do not stop.
pub fn is_superuser() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|metadata| metadata.uid() == 0)
}

/// What a process and all its children asked the kernel for.
pub struct Trace {
    pub run: Run,
    calls: Vec<Call>,
}

/// One system call, as strace prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub line: String,
    /// The working directory at that moment.
    directory: PathBuf,
}

impl Call {
    /// Reads what one thread asked for; it began in a directory.
    fn read_all(text: &str, directory: &Path) -> Vec<Self> {
        let mut directory = directory.to_owned();
        let mut calls = Vec::new();
        for line in text.lines() {
            let Some(call) = Self::read(line, &directory) else {
                continue;
            };
            if call.name == "chdir" && line.ends_with("= 0") {
                directory.extend(call.paths());
            }
            calls.push(call);
        }
        calls
    }

    fn read(line: &str, directory: &Path) -> Option<Self> {
        let (name, _) = line.split_once('(')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (!name.is_empty() && name.bytes().all(plain)).then(|| Self {
            name: name.to_owned(),
            line: line.to_owned(),
            directory: directory.to_owned(),
        })
    }

    /// Tells whether it opens a file for writing, or changes a directory.
    pub fn writes(&self) -> bool {
        match self.name.as_str() {
            "open" | "openat" | "openat2" => [
                "O_WRONLY",
                "O_RDWR",
                "O_CREAT",
                "O_TRUNC",
                "O_APPEND",
                "O_TMPFILE",
            ]
            .iter()
            .any(|flag| self.line.contains(flag)),
            "creat" | "mkdir" | "mkdirat" | "mknod" | "mknodat" | "rename" | "renameat"
            | "renameat2" | "link" | "linkat" | "symlink" | "symlinkat" | "unlink" | "unlinkat"
            | "rmdir" | "truncate" | "chmod" | "fchmodat" | "fchmodat2" | "chown" | "lchown"
            | "fchownat" | "utimensat" | "utimes" | "utime" | "futimesat" | "setxattr"
            | "lsetxattr" | "removexattr" => true,
            _ => false,
        }
    }

    /// Tells whether it reaches for another process or machine.
    ///
    /// A pair of sockets that only this process holds (`socketpair`, the wake-up of the signal
    /// handler) reaches nobody.
    pub fn reaches_out(&self) -> bool {
        let family = ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"];
        matches!(self.name.as_str(), "socket" | "connect" | "bind" | "sendto")
            && family.iter().any(|family| self.line.contains(family))
    }

    /// The paths it names: those in quotes, joined to the directory they are relative to.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let mut rest = self.line.as_str();
        while let Some((before, after)) = rest.split_once('"') {
            let Some((quoted, behind)) = after.split_once('"') else {
                break;
            };
            let directory = before
                .rsplit_once('<')
                .and_then(|(_, directory)| directory.split_once('>'))
                .map(|(directory, _)| PathBuf::from(directory));
            let directory = directory.as_ref().unwrap_or(&self.directory);
            paths.push(without_dots(&directory.join(quoted)));
            rest = behind;
        }
        paths
    }
}

/// Takes `.` and `..` out of a path, so that it can be seen what it lies below.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

impl Trace {
    /// Runs a command under strace; `None` (after saying so) where there is no strace.
    pub fn run(command: &Command, directory: &Path) -> Option<Self> {
        if !is_installed("strace") {
            skip("this test needs strace");
            return None;
        }
        // Only what is listed is written down: one file per thread, so that no line is torn.
        let logs = directory.join(format!("trace-{}", unique()));
        std::fs::create_dir_all(&logs).expect("a directory for traces");
        let mut traced = Command::new("strace");
        traced
            .args(["-ff", "-qq", "-y", "-s", "4096", "-e", "signal=none"])
            .args(["-e", "trace=%file,%network,chdir,fchdir,mmap"])
            .arg("-o")
            .arg(logs.join("log"))
            .arg("--");
        let run = run(&mut wrap(traced, command));
        let start = command.get_current_dir().expect("tests name a directory");
        let mut calls = Vec::new();
        for entry in std::fs::read_dir(&logs).expect("the traces can be listed") {
            let path = entry.expect("the traces can be listed").path();
            let text = std::fs::read(path).expect("a trace can be read");
            let text = String::from_utf8_lossy(&text);
            calls.extend(Call::read_all(&text, start));
        }
        assert!(!calls.is_empty(), "strace wrote nothing down: {run:?}");
        Some(Self { run, calls })
    }

    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Fails if a socket was made that reaches anybody.
    #[track_caller]
    pub fn reached_nobody(&self) {
        let out: Vec<&Call> = self
            .calls
            .iter()
            .filter(|call| call.reaches_out())
            .collect();
        assert!(out.is_empty(), "{out:#?}\n{:?}", self.run);
    }

    /// Fails if anything was written outside of these directories.
    #[track_caller]
    pub fn wrote_only_below(&self, allowed: &[&Path]) {
        let devices = ["/dev/null", "/dev/tty", "/dev/urandom"];
        let outside = |path: &PathBuf| {
            !devices.iter().any(|device| path == Path::new(device))
                && !allowed.iter().any(|allowed| path.starts_with(allowed))
        };
        let bad: Vec<&Call> = self
            .calls
            .iter()
            .filter(|call| call.writes() && call.paths().iter().any(outside))
            .collect();
        assert!(bad.is_empty(), "{bad:#?}\n{:?}", self.run);
    }
}

/// Returns a number that no other test of this process gets.
pub fn unique() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
