//! Reading files together with what the kernel says about them.
//!
//! The `Filesystem` port of the runtime tells no modes and owners, which decide here whether a file
//! may be trusted; so these reads go to the operating system. Writes go through `crashsafe`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest file that is read; a session of a thousand teams has a quarter of it.
const MAXIMUM_FILE: u64 = 1024 * 1024;

/// What the kernel says about an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileFacts {
    /// Permission bits; 0600 where there are none.
    pub(super) mode: u32,
    /// The owner; the asking user where there are none.
    pub(super) owner: u32,
    /// The file's number; 0 where there is none.
    pub(super) inode: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub(super) mtime_ns: i64,
    /// Length in bytes.
    pub(super) size: u64,
}

/// A file's content and facts, of one open file.
#[derive(PartialEq, Eq)]
pub(super) struct PrivateFile {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) facts: FileFacts,
}

/// How symbolic links are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Follow,
    Refuse,
}

impl PrivateFile {
    /// Reads a file; `None` when there is none.
    pub(super) fn read(path: &Path, links: Links) -> io::Result<Option<Self>> {
        let mut file = match open(path, links) {
            Err(error) if is_missing(&error) => return Ok(None),
            other => other?,
        };
        let facts = FileFacts::of(&file.metadata()?)?;
        // Reserved at once: growing would leave copies behind that nobody wipes.
        let mut bytes = Zeroizing::new(Vec::with_capacity(
            usize::try_from(facts.size).map_err(io::Error::other)? + 1,
        ));
        file.by_ref().take(facts.size).read_to_end(&mut bytes)?;
        Ok(Some(Self { bytes, facts }))
    }
}

/// Returns the facts of a file without reading it; `None` when there is none.
pub(super) fn facts_of(path: &Path) -> io::Result<Option<FileFacts>> {
    match std::fs::metadata(path) {
        Err(error) if is_missing(&error) => Ok(None),
        other => FileFacts::of(&other?).map(Some),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        // Without NONBLOCK, opening a pipe that stands in the file's place would wait for ever.
        let mut flags = rustix::fs::OFlags::NONBLOCK;
        if links == Links::Refuse {
            flags |= rustix::fs::OFlags::NOFOLLOW;
        }
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
    #[cfg(not(unix))]
    let _ = links;
    options.open(path)
}

impl FileFacts {
    fn of(metadata: &std::fs::Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        if metadata.len() > MAXIMUM_FILE {
            return Err(io::Error::other("longer than 1 MiB"));
        }
        Ok(Self::of_regular(metadata))
    }

    #[cfg(unix)]
    fn of_regular(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            mode: metadata.mode() & 0o777,
            owner: metadata.uid(),
            inode: metadata.ino(),
            mtime_ns: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            size: metadata.len(),
        }
    }

    #[cfg(not(unix))]
    fn of_regular(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        Self {
            mode: 0o600,
            owner: current_user(),
            inode: 0,
            mtime_ns: modified
                .and_then(|since| i64::try_from(since.as_nanos()).ok())
                .unwrap_or(0),
            size: metadata.len(),
        }
    }

    /// Tells whether nobody but the owner may open the file.
    pub(super) const fn is_private(self) -> bool {
        self.mode & 0o077 == 0
    }
}

/// Returns the user that new files belong to.
#[cfg(unix)]
pub(super) fn current_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the user that new files belong to; Windows has none.
#[cfg(not(unix))]
pub(super) const fn current_user() -> u32 {
    0
}
