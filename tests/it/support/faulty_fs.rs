//! A file system on which the Nth call fails, once or for ever.

use kitty_runtime::fs::{FileHandle, Filesystem, SharedFilesystem, os_filesystem};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// That call fails and later ones work: a full disk that is emptied, a signal.
    Once,
    /// That call and every later one fail: the process might as well be dead.
    Forever,
    /// A write stores half of its bytes and fails, and everything after it fails: killed in between.
    HalfWritten,
    /// That call panics: a bug in what handles the message.
    Panic,
    /// That call and every later one panic.
    PanicForever,
}

#[derive(Debug)]
struct Plan {
    calls: AtomicUsize,
    fail_at: usize,
    fault: Fault,
}

impl Plan {
    fn step(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = match self.fault {
            Fault::Once | Fault::Panic => call == self.fail_at,
            Fault::Forever | Fault::HalfWritten | Fault::PanicForever => call >= self.fail_at,
        };
        assert!(
            !fails || !matches!(self.fault, Fault::Panic | Fault::PanicForever),
            "call {call} of the file system panics"
        );
        if fails {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        } else {
            Ok(())
        }
    }
}

/// Wraps the operating system's file system.
#[derive(Debug)]
pub struct FaultyFilesystem {
    inner: SharedFilesystem,
    plan: Arc<Plan>,
}

impl FaultyFilesystem {
    pub fn new(fail_at: usize, fault: Fault) -> Arc<Self> {
        let plan = Plan {
            calls: AtomicUsize::new(0),
            fail_at,
            fault,
        };
        Arc::new(Self {
            inner: os_filesystem(),
            plan: Arc::new(plan),
        })
    }

    /// How many calls were made.
    pub fn calls(&self) -> usize {
        self.plan.calls.load(Ordering::SeqCst)
    }

    fn wrap(&self, handle: Box<dyn FileHandle>) -> Box<dyn FileHandle> {
        Box::new(FaultyHandle {
            inner: handle,
            plan: self.plan.clone(),
        })
    }
}

#[derive(Debug)]
struct FaultyHandle {
    inner: Box<dyn FileHandle>,
    plan: Arc<Plan>,
}

impl FileHandle for FaultyHandle {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.plan.step() {
            if self.plan.fault == Fault::HalfWritten {
                self.inner.write_all(&bytes[..bytes.len() / 2])?;
            }
            return Err(error);
        }
        self.inner.write_all(bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.plan.step()?;
        self.inner.read_at(buffer, offset)
    }

    fn position(&mut self) -> io::Result<u64> {
        self.plan.step()?;
        self.inner.position()
    }

    fn length(&self) -> io::Result<u64> {
        self.plan.step()?;
        self.inner.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.plan.step()?;
        self.inner.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.plan.step()?;
        self.inner.sync_data()
    }
}

impl Filesystem for FaultyFilesystem {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        self.plan.step()?;
        self.inner.create_dir(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        self.plan.step()?;
        Ok(self.wrap(self.inner.create_new(path)?))
    }

    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>> {
        self.plan.step()?;
        Ok(self.wrap(self.inner.open_append(path, create)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        self.plan.step()?;
        Ok(self.wrap(self.inner.open_read(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step()?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        self.inner.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        self.inner.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.plan.step()?;
        self.inner.list(path)
    }
}
