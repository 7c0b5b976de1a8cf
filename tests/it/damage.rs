//! Any file below the state root is removed, cut, zeroed, flipped or replaced, one at a time: the
//! owner starts, whatever can still be read is delivered, and what cannot is reported.

use crate::support::pipeline::{Network, Observed, Pipeline, target};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::owner::SledFactory;
use kitty_runtime::record::{Decoded, RecordKind, decode, next_magic};
use kitty_runtime::snapshot::summarise;
use kitty_runtime::status_file::StatusFile;
use kitty_runtime::time::system_time;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bits that are flipped in every file, evenly spread.
const FLIPS: usize = 12;

/// What happens to one file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Removed,
    CutTo(usize),
    Zeroed(usize, usize),
    Flipped(usize),
    Extended,
}

impl Harm {
    fn all(length: usize) -> Vec<Self> {
        let mut harms = vec![Self::Removed, Self::Extended];
        let lengths = BTreeSet::from([0, 1, length / 3, length / 2, length.saturating_sub(1)]);
        harms.extend(
            lengths
                .into_iter()
                .filter(|to| *to < length)
                .map(Self::CutTo),
        );
        for (from, to) in [(0, length), (0, 40), (length / 2, length / 2 + 40)] {
            harms.push(Self::Zeroed(from, to.min(length)));
        }
        let flips = FLIPS.min(length);
        harms.extend((0..flips).map(|n| Self::Flipped(n * length / flips)));
        harms
    }

    fn apply(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        match self {
            Self::Removed => return std::fs::remove_file(path).unwrap(),
            Self::CutTo(length) => bytes.truncate(length),
            Self::Zeroed(from, to) => bytes[from..to].fill(0),
            Self::Flipped(at) => bytes[at] ^= 0x10,
            Self::Extended => bytes.extend([0xA5; 100]),
        }
        let mut file = std::fs::File::create(path).unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
    }

    /// The bytes that are no longer what they were, of a file of this length.
    fn touches(self, length: usize) -> Range<usize> {
        match self {
            Self::Removed => 0..length,
            Self::CutTo(to) => to..length,
            Self::Zeroed(from, to) => from..to,
            Self::Flipped(at) => at..at + 1,
            Self::Extended => length..length,
        }
    }
}

/// A state root with three delivered events, six in the journal and three in the inbox.
struct Life {
    directory: tempfile::TempDir,
    observed: Observed,
    pipeline: Pipeline,
}

fn ids(range: Range<usize>) -> Vec<String> {
    range.map(|number| format!("event-{number}")).collect()
}

impl Life {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut observed = Observed::default();
        let mut pipeline = pipeline(directory.path());
        let clock = pipeline.clock();
        pipeline.append(&clock, &ids(0..3), &mut observed);
        own(&pipeline, Network::Up, &mut observed);
        pipeline.segment_limit = 300;
        for start in [3, 5, 7] {
            pipeline.append(&clock, &ids(start..start + 2), &mut observed);
            own(&pipeline, Network::Down, &mut observed);
        }
        pipeline.append(&clock, &ids(9..11), &mut observed);
        pipeline.append(&clock, &ids(11..12), &mut observed);
        assert_eq!(observed.acknowledged, ids(0..12));
        assert_eq!(observed.received.len(), 3);
        Self {
            directory,
            observed,
            pipeline,
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(self.directory.path(), &mut files);
        files.sort();
        files
            .into_iter()
            .map(|file| file.strip_prefix(self.directory.path()).unwrap().to_owned())
            .collect()
    }

    /// The events that wait in a file, and the bytes each takes.
    fn waiting_in(&self, file: &Path) -> BTreeMap<String, Range<usize>> {
        let path = self.directory.path().join(file);
        let is_queue = path.starts_with(self.pipeline.scope.paths.journal())
            || path.starts_with(self.pipeline.scope.paths.inbox_new());
        let mut found = BTreeMap::new();
        if is_queue {
            let bytes = std::fs::read(path).unwrap();
            let mut at = next_magic(&bytes, 0);
            while let Some(start) = at {
                let Decoded::Record(record, length) = decode(&bytes[start..]) else {
                    panic!("a healthy file holds whole records");
                };
                if record.kind == RecordKind::Event
                    && !self.observed.received.contains_key(record.id)
                {
                    found.insert(record.id.to_owned(), start..start + length);
                }
                at = next_magic(&bytes, start + length);
            }
        }
        found
    }
}

fn pipeline(root: &Path) -> Pipeline {
    Pipeline::new(os_filesystem(), &root.join("state"))
}

fn own(pipeline: &Pipeline, network: Network, observed: &mut Observed) {
    let (filesystem, paths) = (os_filesystem(), &pipeline.scope.paths);
    let lease = OwnerLease::try_acquire(&filesystem, paths, &system_time(), "test");
    let mailbox = SledFactory::new(filesystem, paths.mailbox());
    pipeline
        .work(
            Box::new(mailbox),
            lease.unwrap().unwrap(),
            network,
            observed,
        )
        .unwrap();
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Damages one file of a copy and lives on.
fn survive(life: &Life, file: &Path, harm: Harm) {
    let context = format!("{} {harm:?}", file.display());
    let directory = tempfile::tempdir().unwrap();
    copy(life.directory.path(), directory.path());
    let original = std::fs::read(life.directory.path().join(file)).unwrap();
    let touched = harm.touches(original.len());
    let (lost, kept): (Vec<_>, Vec<_>) = life
        .waiting_in(file)
        .into_iter()
        .partition(|(_, bytes)| bytes.start < touched.end && touched.start < bytes.end);
    let lost: BTreeSet<String> = lost.into_iter().map(|(id, _)| id).collect();
    harm.apply(&directory.path().join(file));

    let pipeline = pipeline(directory.path());
    // Reading comes first, because a person asks what happened before anything repairs it.
    summarise(&os_filesystem(), &pipeline.scope)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut after = Observed {
        lamport: life.observed.lamport.clone(),
        attempted: life.observed.attempted.clone(),
        ..Observed::default()
    };
    pipeline.append(&pipeline.clock(), &ids(12..13), &mut after);
    assert_eq!(after.acknowledged, ids(12..13), "{context}");
    own(&pipeline, Network::Up, &mut after);
    after.check(&context);
    for id in ids(3..13) {
        let received = after.received.contains_key(&id);
        assert_eq!(
            received,
            !lost.contains(&id),
            "{context}: {id}, kept {kept:?}"
        );
    }
    let status = StatusFile::read(&*os_filesystem(), &pipeline.scope.paths.status()).unwrap();
    let unnoticeable =
        matches!(harm, Harm::Removed) && file.components().any(|part| part.as_os_str() == "new");
    assert!(
        lost.is_empty() || unnoticeable || !status.damage.is_empty(),
        "{context}: {lost:?} were lost without a word"
    );
    // A lost answer is asked for once more; then everything that is left is answered.
    own(&pipeline, Network::Up, &mut Observed::default());
    let mut again = Observed::default();
    own(&pipeline, Network::Up, &mut again);
    assert!(
        again.received.is_empty(),
        "{context}: {:?} again",
        again.received
    );
    let summary = summarise(&os_filesystem(), &pipeline.scope).unwrap();
    assert_eq!(summary.for_target(&target()).queued, 0, "{context}");
}

#[test]
fn any_file_may_be_damaged_in_any_way_and_what_can_be_read_is_delivered() {
    let life = Life::new();
    let files = life.files();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let length = std::fs::metadata(life.directory.path().join(&file))
            .unwrap()
            .len();
        for harm in Harm::all(usize::try_from(length).unwrap()) {
            survive(&life, &file, harm);
        }
    }
}
