//! Killed at every call of the file system, a gate goes on and nobody is told anything twice.

#[path = "../../../../tests/it/support/faulty_fs.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "it is shared with the tests of the program"
)]
mod faulty_fs;

use super::*;
use crate::gate::core::tests::{config, good};
use crate::gate::facts::{Act, Answer, IssueRef, IssueState, Question, Witness};
use crate::gate::outbox::{KnownIssue, Outbox};
use crate::gate::world::Tracker as _;
use faulty_fs::{Fault, FaultyFilesystem};
use kitty_runtime::fs::{SharedFilesystem, os_filesystem, read_all};
use kitty_runtime::time::system_time;
use std::cell::RefCell;
use std::rc::Rc;

/// Good answers, an outbox, and a tracker elsewhere that never loses a comment.
#[derive(Debug)]
struct Town {
    outbox: Outbox,
    /// What was posted elsewhere, which no crash here takes back.
    posted: Rc<RefCell<Vec<String>>>,
}

impl Town {
    fn new(
        filesystem: SharedFilesystem,
        directory: &Path,
        posted: &Rc<RefCell<Vec<String>>>,
    ) -> Self {
        let known = |issue: &IssueRef| KnownIssue {
            issue: issue.clone(),
            state: IssueState::Open,
        };
        let config = config();
        let known = vec![known(&config.evidence_issue), known(&config.release_issue)];
        Self {
            outbox: Outbox::new(filesystem, directory.join("outbox"), known),
            posted: posted.clone(),
        }
    }
}

impl World for Town {
    fn answer(&mut self, question: &Question, _: &Gate) -> Result<Answer, WorldError> {
        match question {
            Question::Issue(issue) => self.outbox.state(issue).map(Answer::Issue),
            other => Ok(good(other)),
        }
    }

    fn perform(&mut self, act: &Act) -> Result<Witness, WorldError> {
        let mark = Act::mark(&act.id);
        let mut posted = self.posted.borrow_mut();
        if !posted.iter().any(|comment| comment.contains(&mark)) {
            posted.push(act.body.clone());
        }
        self.outbox.perform(act)
    }
}

/// Opens the gate, activates it and lets it run as far as it comes.
fn run(
    filesystem: &SharedFilesystem,
    directory: &Path,
    posted: &Rc<RefCell<Vec<String>>>,
) -> Result<Standing, GateError> {
    let mut world = Town::new(filesystem.clone(), directory, posted);
    let mut driver = Driver::open(&**filesystem, directory, &config(), system_time())?;
    driver.activate(None)?;
    while driver.advance(&mut world)?.is_some() {}
    Ok(driver.gate().standing().clone())
}

/// Where it stands, what lies in the outbox, and what was posted.
fn outcome(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let outbox = directory.join("outbox");
    let mut names = os_filesystem().list(&outbox).unwrap();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    let read = |name: String| {
        let bytes = read_all(&*os_filesystem(), &outbox.join(&name)).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn killed_at_any_call_of_the_file_system_it_goes_on_and_posts_nothing_twice() {
    let whole = tempfile::tempdir().unwrap();
    let posted = Rc::default();
    let counting = FaultyFilesystem::new(usize::MAX, Fault::Forever);
    let standing = run(
        &(counting.clone() as SharedFilesystem),
        whole.path(),
        &posted,
    )
    .unwrap();
    assert_eq!(standing, Standing::At(State::GateComplete));
    let expected = (outcome(whole.path()), posted.borrow().clone());
    assert_eq!(expected.1.len(), 2);
    assert_eq!(
        expected.0.len(),
        4,
        "a body and what is to be done with it, twice"
    );

    for fault in [Fault::Forever, Fault::HalfWritten, Fault::Once] {
        let mut stopped = 0;
        for call in 0..counting.calls() {
            let directory = tempfile::tempdir().unwrap();
            let posted = Rc::default();
            let faulty: SharedFilesystem = FaultyFilesystem::new(call, fault);
            stopped += usize::from(run(&faulty, directory.path(), &posted).is_err());
            let standing = run(&os_filesystem(), directory.path(), &posted);
            let standing = standing.unwrap_or_else(|error| panic!("{fault:?} {call}: {error}"));
            assert_eq!(
                standing,
                Standing::At(State::GateComplete),
                "{fault:?} {call}"
            );
            let found = (outcome(directory.path()), posted.borrow().clone());
            assert_eq!(found, expected, "{fault:?} {call}");
        }
        assert!(
            stopped > counting.calls() / 2,
            "{fault:?}: only {stopped} faults stopped it"
        );
    }
}

#[test]
fn a_log_that_anybody_changed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    run(&os_filesystem(), directory.path(), &Rc::default()).unwrap();
    let path = directory.path().join(LOG);
    let bytes = read_all(&*os_filesystem(), &path).unwrap();
    let open = |bytes: &[u8], config: &GateConfig| {
        std::fs::write(&path, bytes).unwrap();
        let filesystem = os_filesystem();
        Driver::open(&*filesystem, directory.path(), config, system_time())
            .map(|driver| driver.gate().standing().clone())
    };
    assert_eq!(
        open(&bytes, &config()).unwrap(),
        Standing::At(State::GateComplete)
    );

    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() - 1 {
        let without: String = [&lines[..at], &lines[at + 1..]].concat().concat();
        assert!(
            open(without.as_bytes(), &config()).is_err(),
            "line {} is missing",
            at + 1
        );
    }
    for at in 0..lines.len() - 2 {
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        assert!(
            open(swapped.concat().as_bytes(), &config()).is_err(),
            "line {}",
            at + 1
        );
    }
    let end = bytes.len() - lines[lines.len() - 1].len();
    for at in (0..end).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(open(&changed, &config()).is_err(), "byte {at}");
    }
    // A line without its end was never acted on; the gate stands where it stood before it.
    let torn = open(&bytes[..bytes.len() - 1], &config()).unwrap();
    assert_eq!(torn, Standing::At(State::TeamspacePassed));

    let mut other = config();
    other.business_rule_rows = 21;
    let refused = open(&bytes, &other).unwrap_err();
    assert!(
        matches!(refused, GateError::OtherConfiguration),
        "{refused}"
    );
}

#[test]
fn it_is_not_activated_ahead_of_what_it_reached() {
    let directory = tempfile::tempdir().unwrap();
    let filesystem = os_filesystem();
    let mut driver =
        Driver::open(&*filesystem, directory.path(), &config(), system_time()).unwrap();
    let refused = driver.activate(Some(State::FourRunPassed)).unwrap_err();
    assert!(
        matches!(refused, GateError::Ahead(State::FourRunPassed)),
        "{refused}"
    );
    assert_eq!(
        filesystem.list(directory.path()).unwrap(),
        Vec::<String>::new()
    );
}
