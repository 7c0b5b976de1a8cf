//! A file system in memory that forgets what was not fsynced.
//!
//! Every file has content that is stored and content that is only in the cache; every directory has
//! names that are stored and names that are only in the cache. A power cut keeps what is stored and,
//! of the rest, whatever the random generator picks: the disk may have written any part of it.

use kitty_runtime::fs::{FileHandle, Filesystem};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A small generator; a seed replays a run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit.max(1)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Debug, Clone, Default)]
struct Content {
    cached: Vec<u8>,
    stored: Vec<u8>,
}

#[derive(Debug, Default)]
struct Disk {
    files: Vec<Content>,
    cached: BTreeMap<PathBuf, Node>,
    stored: BTreeMap<PathBuf, Node>,
}

/// The file system; clones of the handle share the disk.
#[derive(Debug, Clone, Default)]
pub struct PowerCutFilesystem {
    disk: Arc<Mutex<Disk>>,
}

impl PowerCutFilesystem {
    /// Creates a disk on which `root` exists.
    pub fn new(root: &Path) -> Self {
        let filesystem = Self::default();
        let mut disk = filesystem.disk();
        for directory in root.ancestors() {
            disk.cached.insert(directory.to_owned(), Node::Directory);
            disk.stored.insert(directory.to_owned(), Node::Directory);
        }
        drop(disk);
        filesystem
    }

    /// Cuts the power: what the machine finds when it starts again.
    pub fn after_power_cut(&self, random: &mut Random) -> Self {
        let disk = self.disk();
        let files = disk
            .files
            .iter()
            .map(|content| survivor(content, random))
            .collect();
        let mut names = BTreeMap::new();
        let all: Vec<&PathBuf> = disk.cached.keys().chain(disk.stored.keys()).collect();
        for path in all {
            let (cached, stored) = (disk.cached.get(path), disk.stored.get(path));
            let kept = if cached == stored || random.below(2) == 0 {
                stored
            } else {
                cached
            };
            if let Some(node) = kept {
                names.insert(path.clone(), node.clone());
            }
        }
        let reachable: BTreeMap<PathBuf, Node> = names
            .iter()
            .filter(|(path, _)| {
                path.ancestors()
                    .skip(1)
                    .all(|parent| names.contains_key(parent))
            })
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect();
        let next = Disk {
            files,
            cached: reachable.clone(),
            stored: reachable,
        };
        Self {
            disk: Arc::new(Mutex::new(next)),
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

fn survivor(content: &Content, random: &mut Random) -> Content {
    let mut bytes = match random.below(4) {
        0 => content.cached.clone(),
        1 => content.cached[..random.below(content.cached.len() + 1)].to_vec(),
        2 => vec![0; content.cached.len()],
        _ => content.stored.clone(),
    };
    // What was stored stays, unless it was overwritten or cut since.
    let unchanged = content.cached.starts_with(&content.stored);
    if unchanged {
        if bytes.len() < content.stored.len() {
            bytes.clone_from(&content.stored);
        }
        bytes[..content.stored.len()].copy_from_slice(&content.stored);
    }
    Content {
        cached: bytes.clone(),
        stored: bytes,
    }
}

impl Disk {
    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.cached.get(path) {
            Some(Node::File(index)) => Ok(*index),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn need_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent().and_then(|parent| self.cached.get(parent)) {
            Some(Node::Directory) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        self.need_parent(path)?;
        self.files.push(Content::default());
        let index = self.files.len() - 1;
        self.cached.insert(path.to_owned(), Node::File(index));
        Ok(index)
    }
}

#[derive(Debug)]
struct Handle {
    filesystem: PowerCutFilesystem,
    index: usize,
    position: u64,
}

impl FileHandle for Handle {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.filesystem.disk();
        let content = &mut disk.files[self.index].cached;
        content.extend_from_slice(bytes);
        self.position = content.len() as u64;
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.filesystem.disk();
        let content = &disk.files[self.index].cached;
        let start = usize::try_from(offset).unwrap().min(content.len());
        let count = buffer.len().min(content.len() - start);
        buffer[..count].copy_from_slice(&content[start..start + count]);
        Ok(count)
    }

    fn position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.filesystem.disk().files[self.index].cached.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.filesystem.disk().files[self.index]
            .cached
            .resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.filesystem.disk();
        let content = &mut disk.files[self.index];
        content.stored.clone_from(&content.cached);
        Ok(())
    }
}

impl Filesystem for PowerCutFilesystem {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        let mut disk = self.disk();
        if disk.cached.get(path) == Some(&Node::Directory) {
            return Ok(false);
        }
        disk.need_parent(path)?;
        disk.cached.insert(path.to_owned(), Node::Directory);
        Ok(true)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let mut disk = self.disk();
        if disk.cached.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let index = disk.create(path)?;
        Ok(Box::new(Handle {
            filesystem: self.clone(),
            index,
            position: 0,
        }))
    }

    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>> {
        let mut disk = self.disk();
        let index = match disk.file(path) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => disk.create(path)?,
            other => other?,
        };
        Ok(Box::new(Handle {
            filesystem: self.clone(),
            index,
            position: 0,
        }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let index = self.disk().file(path)?;
        Ok(Box::new(Handle {
            filesystem: self.clone(),
            index,
            position: 0,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.need_parent(to)?;
        let node = disk.cached.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.cached.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.file(path)?;
        disk.cached.remove(path);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let inside = |candidate: &PathBuf| candidate.parent() == Some(path);
        disk.stored.retain(|candidate, _| !inside(candidate));
        let names: Vec<_> = disk
            .cached
            .iter()
            .filter(|(candidate, _)| inside(candidate))
            .map(|(candidate, node)| (candidate.clone(), node.clone()))
            .collect();
        disk.stored.extend(names);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        if disk.cached.get(path) != Some(&Node::Directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = disk
            .cached
            .keys()
            .filter(|candidate| candidate.parent() == Some(path));
        Ok(inside
            .map(|candidate| candidate.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }
}
