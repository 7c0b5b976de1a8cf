//! What lies below a directory, to be compared before and after.

use super::sandbox::Sandbox;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything below a directory, down to what a rewrite with the same bytes changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Node>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: &'static str,
    mode: u32,
    inode: u64,
    modified: (i64, i64),
    content: Vec<u8>,
}

impl Tree {
    /// Looks at a directory; one that does not exist is an empty tree. What a process at work takes
    /// away meanwhile is not part of it.
    pub fn of(root: &Path) -> Self {
        let mut tree = Self(BTreeMap::new());
        tree.take(root, root);
        tree
    }

    fn take(&mut self, root: &Path, path: &Path) {
        let Some(metadata) = unless_gone(path.symlink_metadata()) else {
            return;
        };
        let (kind, content) = if metadata.is_dir() {
            ("directory", Vec::new())
        } else if metadata.is_file() {
            ("file", std::fs::read(path).unwrap_or_default())
        } else {
            ("other", Vec::new())
        };
        let node = Node {
            kind,
            mode: metadata.mode(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            content,
        };
        self.0
            .insert(path.strip_prefix(root).unwrap().to_owned(), node);
        if metadata.is_dir() {
            for entry in unless_gone(std::fs::read_dir(path)).into_iter().flatten() {
                self.take(root, &entry.unwrap().path());
            }
        }
    }

    /// The names of everything but the root itself.
    pub fn names(&self) -> Vec<String> {
        self.0
            .keys()
            .filter(|path| !path.as_os_str().is_empty())
            .map(|path| path.display().to_string())
            .collect()
    }

    /// The files with their permission bits.
    pub fn files(&self) -> impl Iterator<Item = (&Path, u32)> {
        let files = self.0.iter().filter(|(_, node)| node.kind == "file");
        files.map(|(path, node)| (path.as_path(), node.mode & 0o7777))
    }

    /// The directories with their permission bits.
    pub fn directories(&self) -> impl Iterator<Item = (&Path, u32)> {
        let directories = self.0.iter().filter(|(_, node)| node.kind == "directory");
        directories.map(|(path, node)| (path.as_path(), node.mode & 0o7777))
    }

    /// The files that hold a text.
    pub fn holding(&self, text: &str) -> Vec<String> {
        let holds = |node: &&Node| {
            node.content
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        self.0
            .iter()
            .filter(|(_, node)| holds(node))
            .map(|(path, _)| path.display().to_string())
            .collect()
    }

    /// Tells what differs, by name.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let names = self.0.keys().chain(after.0.keys());
        let names: std::collections::BTreeSet<&PathBuf> = names.collect();
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != after.0.get(*name))
            .map(|name| name.display().to_string())
            .collect()
    }
}

/// Fails unless a directory is exactly as it was.
#[track_caller]
pub fn assert_unchanged(before: &Tree, path: &Path) {
    let changes = before.changes(&Tree::of(path));
    assert!(
        changes.is_empty(),
        "{} changed: {changes:?}",
        path.display()
    );
}

/// What git knows of a repository and what lies in its working tree: all that a refused command
/// leaves as it was. Objects that nothing refers to do not count.
#[derive(Debug, PartialEq, Eq)]
pub struct Checkout {
    pub head: String,
    commits: String,
    references: String,
    index: String,
    status: String,
    files: Vec<(PathBuf, u32, Vec<u8>)>,
    locks: Vec<String>,
}

impl Sandbox {
    /// Looks at the repository.
    pub fn checkout(&self) -> Checkout {
        let tree = Tree::of(&self.repo());
        let in_git = |path: &&PathBuf| path.starts_with(".git");
        let files = tree.0.iter().filter(|(path, _)| !in_git(path));
        // The program's own lock files stay; git's would stop it.
        let own = |path: &&PathBuf| {
            path.starts_with(".git/spec-kitty-locks") || path.starts_with(".git/spec-kitty")
        };
        let locks = tree.0.keys().filter(in_git).filter(|path| !own(path));
        let head = Command::new("git")
            .args(["rev-parse", "--symbolic-full-name", "HEAD"])
            .current_dir(self.repo())
            .env_clear()
            .envs(&self.environment)
            .output()
            .unwrap();
        let ask = |arguments: &[&str]| {
            if self.repo().join(".git").exists() {
                self.git(arguments)
            } else {
                String::new()
            }
        };
        Checkout {
            head: String::from_utf8(head.stdout).unwrap(),
            commits: ask(&["rev-list", "--all", "--parents"]),
            references: ask(&["for-each-ref"]),
            index: ask(&["ls-files", "--stage"]),
            status: ask(&[
                "status",
                "--porcelain",
                "--untracked-files=all",
                "--ignored",
            ]),
            files: files
                .map(|(path, node)| (path.clone(), node.mode, node.content.clone()))
                .collect(),
            locks: locks
                .filter(|path| path.extension() == Some(OsStr::new("lock")))
                .map(|path| path.display().to_string())
                .collect(),
        }
    }
}

/// What was read, or nothing where it is there no longer.
fn unless_gone<T>(read: std::io::Result<T>) -> Option<T> {
    match read {
        Ok(found) => Some(found),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}
