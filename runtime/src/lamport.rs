//! The Lamport clock that all processes of a machine share: no value is ever given twice.
//!
//! A value is handed out by appending bytes to a file: the kernel orders appends, so the offset at
//! which a process's bytes ended belongs to that process alone. No lock is held by a process that
//! may be stopped or killed, and nothing has to be fsynced per tick.
//!
//! The files are `runtime/clock/<base>-<boot>.ticks`; the byte at offset `n` of a file stands for the
//! value `base + n + 1`, up to `BLOCK` values per file. A file's *name* is fsynced before its first
//! value is given. What a power cut may lose is only the length of a file, and after another boot no
//! file of the old boot is used: the next file begins beyond everything the old one could have given.
//! Gaps are harmless; repetitions are not.
//!
//! `clock.json` is the Python CLI's file. It is read as a floor and written as a hint, so that values
//! keep rising when both programs are used; its `node_id` is the emitter's identity (reference 7).

use crate::boot::boot_id;
use crate::crashsafe::{self, Durability};
use crate::fs::{SharedFilesystem, read_all};
use crate::node_id::node_id_of_machine;
use crate::python_json;
use crate::time::{SharedTime, iso};
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Values per file.
const BLOCK: u64 = 4096;
/// How many full files are kept behind the newest, for processes that were stopped meanwhile.
const KEPT_BEHIND: usize = 2;
/// Values above this are not adopted from elsewhere: a wrong clock must not exhaust ours.
const HIGHEST_ADOPTED: u64 = 1 << 48;
/// The most values taken by one append.
const LARGEST_GRANT: u64 = 1024;
/// How often a tick starts again because other processes moved on; far beyond what happens.
const MOST_TRIES: usize = 1000;

/// The clock of one state root.
#[derive(Debug, Clone)]
pub struct LamportClock {
    filesystem: SharedFilesystem,
    time: SharedTime,
    directory: PathBuf,
    mirror: PathBuf,
    boot: String,
}

/// The clock could not advance; nothing was given.
#[derive(Debug, thiserror::Error)]
#[error("the Lamport clock at {} could not advance: {source}. Check the disk and its permissions", path.display())]
pub struct ClockError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TickFile {
    base: u64,
    boot: String,
}

impl TickFile {
    fn parse(name: &str) -> Option<Self> {
        let (base, boot) = name.strip_suffix(".ticks")?.split_once('-')?;
        Some(Self {
            base: base.parse().ok()?,
            boot: boot.to_owned(),
        })
    }

    fn name(&self) -> String {
        format!("{:020}-{}.ticks", self.base, self.boot)
    }
}

impl LamportClock {
    /// Creates a handle; nothing is read or written before the first tick.
    #[must_use]
    pub fn new(
        filesystem: SharedFilesystem,
        time: SharedTime,
        map: &kitty_config::FileMap,
    ) -> Self {
        Self {
            filesystem,
            time,
            directory: map.clock(),
            mirror: map.clock_json(),
            boot: boot_id(),
        }
    }

    /// Returns a handle that believes to run in another boot of the machine.
    #[must_use]
    pub fn after_reboot(mut self, boot: &str) -> Self {
        boot.clone_into(&mut self.boot);
        self
    }

    /// Takes the next `count` values, rising; they are greater than every value given or observed
    /// before the call and belong to the caller alone.
    ///
    /// Durable against a power cut; waits for no other process.
    ///
    /// # Errors
    /// [`ClockError`] when the files cannot be used; values that were taken are never given again.
    pub fn tick(&self, count: usize) -> Result<Vec<u64>, ClockError> {
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            let missing = (count - values.len()) as u64;
            values.extend(
                self.take(missing.min(LARGEST_GRANT))
                    .map_err(|source| self.failed(source))?,
            );
        }
        if let Some(last) = values.last() {
            self.write_mirror(*last);
        }
        Ok(values)
    }

    /// Moves the clock beyond a value seen elsewhere.
    ///
    /// # Errors
    /// [`ClockError`] when the files cannot be used.
    pub fn observe(&self, value: u64) -> Result<(), ClockError> {
        self.advance_beyond(value)
            .map_err(|source| self.failed(source))?;
        self.write_mirror(value.min(HIGHEST_ADOPTED));
        Ok(())
    }

    /// Returns the `node_id` that `clock.json` holds, if any.
    #[must_use]
    pub fn recorded_node_id(&self) -> Option<String> {
        let mirror = self.read_mirror()?;
        mirror
            .get("node_id")?
            .as_str()
            .map(str::to_owned)
            .filter(|id| !id.is_empty())
    }

    fn failed(&self, source: io::Error) -> ClockError {
        ClockError {
            path: self.directory.clone(),
            source,
        }
    }

    fn take(&self, count: u64) -> io::Result<RangeInclusive<u64>> {
        let floor = self.mirrored_value();
        for _ in 0..MOST_TRIES {
            let Some(newest) = self.newest()? else {
                self.start_file(floor)?;
                continue;
            };
            if newest.boot != self.boot {
                self.start_file(floor.max(newest.base + BLOCK))?;
                continue;
            }
            let path = self.directory.join(newest.name());
            let mut file = match self.filesystem.open_append(&path, false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            // A gap that the Python CLI left is passed by taking the values in it as well.
            let gap = floor.saturating_sub(newest.base + file.length()?);
            if gap > LARGEST_GRANT {
                self.start_file(floor.max(newest.base + BLOCK))?;
                continue;
            }
            file.write_all(&[0; 2 * LARGEST_GRANT as usize][..(gap + count) as usize])?;
            let end = file.position()?;
            if end > BLOCK {
                self.start_file(newest.base + BLOCK)?;
                continue;
            }
            let last = newest.base + end;
            return Ok(last - count + 1..=last);
        }
        Err(io::Error::other(
            "other processes kept replacing the counter file",
        ))
    }

    fn advance_beyond(&self, value: u64) -> io::Result<()> {
        let value = value.min(HIGHEST_ADOPTED);
        match self.newest()? {
            None => self.start_file(value),
            Some(newest) => {
                let path = self.directory.join(newest.name());
                let given = match self.filesystem.open_read(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => BLOCK,
                    other => other?.length()?,
                };
                if value <= newest.base + given {
                    Ok(())
                } else {
                    self.start_file(value.max(newest.base + BLOCK))
                }
            }
        }
    }

    fn files(&self) -> io::Result<Vec<TickFile>> {
        let names = match self.filesystem.list(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut files: Vec<TickFile> = names
            .iter()
            .filter_map(|name| TickFile::parse(name))
            .collect();
        files.sort_unstable();
        Ok(files)
    }

    fn newest(&self) -> io::Result<Option<TickFile>> {
        Ok(self.files()?.pop())
    }

    /// Creates the file that begins after `base`, unless a newer one stands there by then.
    fn start_file(&self, base: u64) -> io::Result<()> {
        let file = TickFile {
            base,
            boot: self.boot.clone(),
        };
        let path = self.directory.join(file.name());
        crashsafe::create_dir_all(&*self.filesystem, &self.directory)?;
        match self.filesystem.create_new(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.filesystem.sync_dir(&self.directory)?;
        let mut files = self.files()?;
        if files.last().is_some_and(|newest| *newest > file) {
            // A stopped process may have come late; its file must never be counted from.
            let _ = self.filesystem.remove_file(&path);
            return Ok(());
        }
        files.truncate(files.len().saturating_sub(1 + KEPT_BEHIND));
        for old in files {
            // A file that stays costs a name and nothing else.
            let _ = self
                .filesystem
                .remove_file(&self.directory.join(old.name()));
        }
        Ok(())
    }

    fn read_mirror(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&read_all(&*self.filesystem, &self.mirror).ok()?).ok()
    }

    fn mirrored_value(&self) -> u64 {
        let value = self
            .read_mirror()
            .and_then(|mirror| mirror.get("value")?.as_u64());
        value.filter(|value| *value <= HIGHEST_ADOPTED).unwrap_or(0)
    }

    /// Writes the hint for the Python CLI; a failure is nobody's loss.
    fn write_mirror(&self, value: u64) {
        if self.mirrored_value() >= value {
            return;
        }
        let node_id = self.recorded_node_id().unwrap_or_else(node_id_of_machine);
        let text = mirror_text(value, &node_id, &iso(self.time.now()));
        let _ = crashsafe::replace(
            &*self.filesystem,
            &self.mirror,
            text.as_bytes(),
            Durability::ProcessDeath,
        );
    }
}

/// Lays out the three keys as the Python CLI does: its order, indented by two, no final newline.
fn mirror_text(value: u64, node_id: &str, updated_at: &str) -> String {
    #[derive(serde::Serialize)]
    struct Mirror<'a> {
        value: u64,
        node_id: &'a str,
        updated_at: &'a str,
    }
    python_json::indented(&Mirror {
        value,
        node_id,
        updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os_filesystem;
    use crate::time::system_time;
    use kitty_config::{Environment, FileMap, RuntimeRoot, env};
    use std::collections::BTreeSet;
    use std::path::Path;

    fn clock(root: &Path) -> LamportClock {
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, root);
        let map = FileMap::new(&RuntimeRoot::of_process(&environment).unwrap());
        LamportClock::new(os_filesystem(), system_time(), &map)
    }

    fn next(clock: &LamportClock) -> u64 {
        clock.tick(1).unwrap()[0]
    }

    #[test]
    fn values_start_at_one_and_rise_without_gaps_while_one_boot_lasts() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        assert_eq!(clock.tick(3).unwrap(), [1, 2, 3]);
        assert_eq!(clock.tick(0).unwrap(), [0_u64; 0]);
        let values = clock.tick(3000).unwrap();
        assert_eq!((values[0], values[2999]), (4, 3003));
    }

    #[test]
    fn full_files_are_replaced_and_only_a_few_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        let mut previous = 0;
        for _ in 0..40 {
            for value in clock.tick(700).unwrap() {
                assert!(value > previous);
                previous = value;
            }
        }
        assert!(clock.files().unwrap().len() <= 1 + KEPT_BEHIND);
    }

    #[test]
    fn after_a_reboot_nothing_of_the_old_boot_is_given_again_whatever_was_lost() {
        let root = tempfile::tempdir().unwrap();
        let before = clock(root.path());
        let given = before.tick(100).unwrap();
        let newest = before.newest().unwrap().unwrap();
        std::fs::File::create(before.directory.join(newest.name())).unwrap();
        std::fs::remove_file(&before.mirror).unwrap();
        let after = clock(root.path()).after_reboot("ffffffff");
        assert!(next(&after) > *given.last().unwrap());
    }

    #[test]
    fn a_value_of_the_python_cli_is_a_floor_and_ours_is_written_for_it() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        let text = "{\"value\": 500, \"node_id\": \"abcdefabcdef\", \"updated_at\": \"x\"}";
        let mirror = clock.mirror.clone();
        crashsafe::replace(
            &*os_filesystem(),
            &mirror,
            text.as_bytes(),
            Durability::ProcessDeath,
        )
        .unwrap();
        assert_eq!(next(&clock), 501);
        assert_eq!(next(&clock), 502);
        let written = clock.read_mirror().unwrap();
        assert_eq!(written["value"], 502);
        assert_eq!(written["node_id"], "abcdefabcdef");
    }

    #[test]
    fn a_broken_or_absurd_mirror_is_ignored() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        for text in [
            "",
            "nonsense",
            "[]",
            "{\"value\": -4}",
            "{\"value\": 18446744073709551615}",
        ] {
            let mirror = clock.mirror.clone();
            crashsafe::replace(
                &*os_filesystem(),
                &mirror,
                text.as_bytes(),
                Durability::ProcessDeath,
            )
            .unwrap();
            assert!(next(&clock) < 100);
        }
    }

    #[test]
    fn an_observed_value_is_passed() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        clock.observe(10_000).unwrap();
        let value = next(&clock);
        assert!(value > 10_000);
        clock.observe(5).unwrap();
        assert_eq!(next(&clock), value + 1);
        clock.observe(u64::MAX).unwrap();
        assert!(next(&clock) <= HIGHEST_ADOPTED + BLOCK);
    }

    #[test]
    fn a_process_that_comes_late_with_an_old_file_does_not_count_from_it() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        let given: BTreeSet<u64> = clock.tick(20_000).unwrap().into_iter().collect();
        clock.start_file(0).unwrap();
        assert!(!given.contains(&next(&clock)));
    }

    #[test]
    fn threads_never_share_a_value() {
        let root = tempfile::tempdir().unwrap();
        let clock = clock(root.path());
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..400)
                            .flat_map(|_| clock.tick(3).unwrap())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            for worker in workers {
                all.extend(worker.join().unwrap());
            }
        });
        let unique: BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(unique.len(), all.len());
    }
}
