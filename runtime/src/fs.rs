//! The port through which everything durable reaches the disk.
//!
//! A trait instead of `std::fs` so that tests can fail the Nth call, for every N, once and for ever
//! (`tests/it/support/faulty_fs.rs`), and can drop what was never fsynced. sled does its own I/O
//! and is tested with real kills instead.
//!
//! New files are 0600 and new directories 0700 on POSIX; the state root holds secrets and events.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// One open file.
pub trait FileHandle: Debug + Send {
    /// Writes all bytes at the end (files opened for appending) or at the cursor (new files).
    ///
    /// # Errors
    /// The operating system's; some bytes may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Reads up to `buffer.len()` bytes at an offset; fewer only at the end of the file.
    ///
    /// # Errors
    /// The operating system's.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Returns the offset right after the last write of this handle.
    ///
    /// For a file opened for appending this is where *this* handle's bytes ended, whatever other
    /// processes appended before or after.
    ///
    /// # Errors
    /// The operating system's.
    fn position(&mut self) -> io::Result<u64>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn length(&self) -> io::Result<u64>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The operating system's.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Forces the content (and the length) to stable storage.
    ///
    /// # Errors
    /// The operating system's; after an error nothing is known about what is stored.
    fn sync_data(&self) -> io::Result<()>;
}

/// The calls that this program makes on a file system.
pub trait Filesystem: Debug + Send + Sync {
    /// Creates one directory, 0700; succeeds without effect when it exists.
    ///
    /// Returns whether it was created.
    ///
    /// # Errors
    /// The operating system's, also when the parent is missing.
    fn create_dir(&self, path: &Path) -> io::Result<bool>;

    /// Creates a file that must not exist, 0600, for writing.
    ///
    /// # Errors
    /// `AlreadyExists`, or the operating system's.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>>;

    /// Opens a file for appending and reading, creating it (0600) if `create`.
    ///
    /// # Errors
    /// The operating system's.
    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// The operating system's.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>>;

    /// Renames a file over whatever stands at the new name.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Forces the names in a directory to stable storage (no effect on Windows).
    ///
    /// # Errors
    /// The operating system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Lists the names in a directory, in no order; names that are not Unicode are left out.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// A file system that several owners share.
pub type SharedFilesystem = Arc<dyn Filesystem>;

/// Returns the operating system's file system.
#[must_use]
pub fn os_filesystem() -> SharedFilesystem {
    Arc::new(OsFilesystem)
}

/// Reads a whole file.
///
/// # Errors
/// The file system's; `UnexpectedEof` when the file shrinks while it is read.
pub fn read_all(filesystem: &dyn Filesystem, path: &Path) -> io::Result<Vec<u8>> {
    let file = filesystem.open_read(path)?;
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(bytes)
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFilesystem;

#[derive(Debug)]
struct OsFile(File);

impl FileHandle for OsFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, buffer, offset)
    }

    fn position(&mut self) -> io::Result<u64> {
        io::Seek::stream_position(&mut self.0)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

impl Filesystem for OsFilesystem {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let file = owner_only(OpenOptions::new().write(true).create_new(true)).open(path)?;
        Ok(Box::new(OsFile(file)))
    }

    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>> {
        let file =
            owner_only(OpenOptions::new().read(true).append(true).create(create)).open(path)?;
        Ok(Box::new(OsFile(file)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        Ok(Box::new(OsFile(File::open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if cfg!(windows) {
            return Ok(());
        }
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }
}
