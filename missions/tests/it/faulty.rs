//! A file system that fails, or ends the process, at the Nth call.

use kitty_missions::files::WorktreeFilesystem;
use kitty_runtime::fs::{FileHandle, Filesystem};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// That call fails, the next ones work.
    Once(io::ErrorKind),
    /// That call and every later call that writes fail, as on a full disk; removing works.
    FromThenOn(io::ErrorKind),
    /// The process ends at that call, without unwinding.
    Abort,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyFilesystem {
    calls: Arc<AtomicUsize>,
    at: usize,
    fault: Fault,
}

impl FaultyFilesystem {
    /// Fails at call number `at`, counted from zero.
    pub(crate) fn new(at: usize, fault: Fault) -> Self {
        Self {
            calls: Arc::default(),
            at,
            fault,
        }
    }

    /// Tells whether the fault was reached.
    pub(crate) fn was_reached(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.at
    }

    fn step(&self, writes: bool) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::Once(kind) if call == self.at => Err(kind.into()),
            Fault::FromThenOn(kind) if call >= self.at && writes => Err(kind.into()),
            Fault::Abort if call == self.at => std::process::abort(),
            _ => Ok(()),
        }
    }

    fn handle(&self, inner: Box<dyn FileHandle>) -> Box<dyn FileHandle> {
        Box::new(FaultyFile {
            inner,
            filesystem: self.clone(),
        })
    }
}

impl Filesystem for FaultyFilesystem {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        self.step(true)?;
        WorktreeFilesystem.create_dir(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        self.step(true)?;
        Ok(self.handle(WorktreeFilesystem.create_new(path)?))
    }

    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>> {
        self.step(true)?;
        Ok(self.handle(WorktreeFilesystem.open_append(path, create)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        self.step(false)?;
        WorktreeFilesystem.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(true)?;
        WorktreeFilesystem.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        WorktreeFilesystem.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(true)?;
        WorktreeFilesystem.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.step(false)?;
        WorktreeFilesystem.list(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn FileHandle>,
    filesystem: FaultyFilesystem,
}

impl FileHandle for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.filesystem.step(true) {
            // A full disk takes a part of it.
            self.inner.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.write_all(bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn position(&mut self) -> io::Result<u64> {
        self.inner.position()
    }

    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.inner.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.filesystem.step(true)?;
        self.inner.sync_data()
    }
}
