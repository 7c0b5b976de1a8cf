//! A process at a terminal of its own (a pty), and the person in front of it.

use super::process::{DEADLINE, describe};
use pty_process::blocking::{Command as AtTerminal, Pty, open};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

/// The keys that a terminal turns into something else.
pub const CONTROL_C: &str = "\u{3}";
pub const CONTROL_D: &str = "\u{4}";

/// A process whose stdin, stdout and stderr are one terminal; it ends with its owner.
pub struct Terminal {
    what: String,
    child: Child,
    keyboard: Arc<Pty>,
    output: Receiver<Vec<u8>>,
    /// Everything the terminal showed, what was typed included.
    seen: Vec<u8>,
}

impl Terminal {
    pub fn start(command: Command) -> Self {
        let what = describe(&command);
        let (pty, pts) = open().expect("this system has terminals");
        let child = AtTerminal::from(command).spawn(pts);
        let child = child.unwrap_or_else(|error| panic!("{what}: {error}"));
        let keyboard = Arc::new(pty);
        let screen = Arc::clone(&keyboard);
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends with an error when nobody has the terminal open any more.
            while let Ok(count @ 1..) = screen.as_ref().read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            what,
            child,
            keyboard,
            output,
            seen: Vec::new(),
        }
    }

    /// Waits until the terminal shows a text.
    #[track_caller]
    pub fn until(&mut self, text: &str) {
        while !self.screen().contains(text) {
            assert!(
                self.read_on(),
                "`{}` ended without {text:?}: {}",
                self.what,
                self.screen()
            );
        }
    }

    /// Types something; nothing is added to it.
    pub fn type_in(&self, keys: &str) {
        self.type_bytes(keys.as_bytes());
    }

    /// Types what is no text.
    pub fn type_bytes(&self, keys: &[u8]) {
        self.keyboard.as_ref().write_all(keys).unwrap();
    }

    /// Waits for the end of the process; the code is the one a shell tells (128 and more for a
    /// signal), the text is everything that was shown.
    #[track_caller]
    pub fn finish(mut self) -> (i32, String) {
        while self.read_on() {}
        // Nobody has the terminal open any more, so it has ended or is about to.
        let status = self.child.wait().unwrap();
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        (code.expect("it has ended"), self.screen())
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.seen).replace("\r\n", "\n")
    }

    /// Takes what is shown next; `false` when nothing will be.
    #[track_caller]
    fn read_on(&mut self) -> bool {
        let started = Instant::now();
        match self.output.recv_timeout(DEADLINE) {
            Ok(shown) => {
                self.seen.extend(shown);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!(
                "`{}` showed nothing for {:?} after: {}",
                self.what,
                started.elapsed(),
                self.screen()
            ),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
