//! A file system that forces nothing to the disk: for preparing what is measured afterwards.

use kitty_runtime::fs::{FileHandle, Filesystem, SharedFilesystem, os_filesystem};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Returns a file system that answers before anything is stable.
pub fn filesystem() -> SharedFilesystem {
    Arc::new(Unsynced(os_filesystem()))
}

#[derive(Debug)]
struct Unsynced(SharedFilesystem);

#[derive(Debug)]
struct UnsyncedFile(Box<dyn FileHandle>);

impl FileHandle for UnsyncedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn position(&mut self) -> io::Result<u64> {
        self.0.position()
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

fn unsynced(file: Box<dyn FileHandle>) -> Box<dyn FileHandle> {
    Box::new(UnsyncedFile(file))
}

impl Filesystem for Unsynced {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        self.0.create_dir(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        self.0.create_new(path).map(unsynced)
    }

    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>> {
        self.0.open_append(path, create).map(unsynced)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        self.0.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
}
