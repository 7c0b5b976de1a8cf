//! The answering side: a thread that waits in `accept`, and one short-lived thread per connection.

use super::{Answer, IpcError, Request};
use std::path::Path;

/// What a daemon says to a question.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// Whether the connection stays open until the process ends, so that the asker notices the end.
    pub keep_open: bool,
}

impl Reply {
    /// Says something and hangs up.
    #[must_use]
    pub const fn say(answer: Answer) -> Self {
        Self {
            answer,
            keep_open: false,
        }
    }
}

/// A socket that answers; it does until the process ends.
#[derive(Debug)]
pub struct Server {
    #[cfg(unix)]
    listener: std::os::unix::net::UnixListener,
    #[cfg(unix)]
    path: std::path::PathBuf,
}

#[cfg(not(unix))]
impl Server {
    /// Listens.
    ///
    /// # Errors
    /// Always [`IpcError::NotBuilt`].
    pub fn listen(_: &Path) -> Result<Self, IpcError> {
        Err(IpcError::NotBuilt)
    }

    /// Answers nobody.
    pub fn serve(self, _: impl Fn(Request) -> Reply + Send + Sync + 'static) {}
}

#[cfg(unix)]
mod unix {
    use super::super::frame::{self, FrameError};
    use super::super::protocol::{Asked, PROTOCOL_VERSION};
    use super::super::{ANSWER_LIMIT, socket};
    use super::{Answer, IpcError, Path, Reply, Request, Server};
    use std::os::unix::net::UnixStream;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    /// Connections that are kept open until the end.
    type Kept = Arc<Mutex<Vec<UnixStream>>>;

    impl Server {
        /// Listens at a path; what lies there is replaced, so the caller holds the daemon lock.
        ///
        /// # Errors
        /// [`IpcError`].
        pub fn listen(path: &Path) -> Result<Self, IpcError> {
            Ok(Self {
                listener: socket::listen(path)?,
                path: path.to_owned(),
            })
        }

        /// Answers from threads of its own until the process ends.
        ///
        /// One asker that says nothing holds up no other one.
        pub fn serve(self, answer: impl Fn(Request) -> Reply + Send + Sync + 'static) {
            let (answer, kept) = (Arc::new(answer), Kept::default());
            std::thread::spawn(move || {
                loop {
                    let Ok((stream, _)) = self.listener.accept() else {
                        pause();
                        continue;
                    };
                    if socket::known(&stream, &self.path).is_err() {
                        continue;
                    }
                    let (answer, kept) = (answer.clone(), kept.clone());
                    // Without a thread the asker hears nothing and goes on alone.
                    let _ = std::thread::Builder::new()
                        .stack_size(256 * 1024)
                        .spawn(move || converse(stream, &*answer, &kept));
                }
            });
        }
    }

    /// Lets others go first when no connection can be accepted, for example for want of descriptors.
    fn pause() {
        crate::lock::wait(ANSWER_LIMIT);
    }

    fn converse(mut stream: UnixStream, answer: &dyn Fn(Request) -> Reply, kept: &Kept) {
        let deadline = Instant::now() + ANSWER_LIMIT;
        let refused = |code: &str, message: String| {
            Reply::say(Answer::Refused {
                code: code.to_owned(),
                message,
            })
        };
        let reply = match frame::read::<Asked>(&mut stream, deadline) {
            Ok(asked) if asked.protocol == PROTOCOL_VERSION => answer(asked.request),
            Ok(asked) => refused(
                "protocol_mismatch",
                format!(
                    "this daemon speaks protocol {PROTOCOL_VERSION}, not {}",
                    asked.protocol
                ),
            ),
            Err(FrameError::Unreadable(detail)) => refused("unreadable", detail),
            Err(_) => return,
        };
        let deadline = Instant::now() + ANSWER_LIMIT;
        if frame::write(&mut stream, &reply.answer, deadline).is_ok() && reply.keep_open {
            kept.lock()
                .expect("nothing panics while the lock is held")
                .push(stream);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::{ANSWER_LIMIT, IpcError, ask, converse};
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::{Duration, Instant};

    fn polite(request: Request) -> Reply {
        match request {
            Request::Stop {} => Reply {
                answer: Answer::Ending {},
                keep_open: true,
            },
            _ => Reply::say(Answer::Accepted {}),
        }
    }

    #[test]
    fn a_question_is_answered_in_a_private_place_whatever_its_name_is_long() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["short", &"long".repeat(50)] {
            let path = directory.path().join(name).join("daemon.sock");
            Server::listen(&path).unwrap().serve(polite);
            for _ in 0..3 {
                assert_eq!(ask(&path, Request::Hello {}).unwrap(), Answer::Accepted {});
            }
            let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(path.parent().unwrap()), 0o700);
            assert_eq!(mode(&path), 0o600);
            let stopping = converse(&path, Request::Stop {}, ANSWER_LIMIT).unwrap();
            assert_eq!(stopping.answer, Answer::Ending {});
            assert!(
                !stopping.until_closed(Duration::from_millis(5)),
                "kept open"
            );
        }
    }

    #[test]
    fn nobody_a_dead_socket_and_a_silent_one_are_told_apart_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s").join("daemon.sock");
        let asked = || ask(&path, Request::Hello {});
        assert!(matches!(asked(), Err(IpcError::Nobody { .. })));
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(matches!(asked(), Err(IpcError::Nobody { .. })));
        std::fs::remove_file(&path).unwrap();
        let silent = UnixListener::bind(&path).unwrap();
        let started = Instant::now();
        let error = asked().unwrap_err();
        assert!(
            matches!(error, IpcError::Silent { what: "Hello", .. }),
            "{error}"
        );
        assert!(started.elapsed() >= ANSWER_LIMIT);
        drop(silent);
        Server::listen(&path).unwrap().serve(polite);
        assert!(asked().is_ok(), "a dead socket is replaced");
    }

    #[test]
    fn garbage_is_refused_and_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s").join("daemon.sock");
        Server::listen(&path).unwrap().serve(polite);
        let _says_nothing: Vec<UnixStream> = (0..20)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        for garbage in [
            "\n",
            "{}\n",
            "{\"protocol\":9,\"request\":{\"hello\":{}}}\n",
        ] {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(garbage.as_bytes()).unwrap();
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
            assert!(answer.contains("refused"), "{garbage:?}: {answer}");
        }
        assert!(ask(&path, Request::Hello {}).is_ok());
    }
}
