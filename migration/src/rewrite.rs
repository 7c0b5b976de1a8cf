//! Rewrites files of a project so that it can be taken back byte by byte.
//!
//! ```text
//! originals  ──▶ manifest ──▶ files, one by one, each read back ──▶ manifest says verified
//! ```
//!
//! A file is rewritten and read back under the lock of those who write it otherwise, and what killed
//! runs left beside it goes. Every arrow is durable before the next thing begins. Killed anywhere,
//! `upgrade` plans again: what is rewritten needs nothing, the rest is in the plan with the same result.
//! Originals are named by their hash and lie in the common git directory, where they dirty no tree and
//! no clone carries them along.

mod manifest;
mod writers;

pub use manifest::{Manifest, Rewritten, Stage};

use crate::project::{Change, ProjectPlan};
use crate::sha256;
use kitty_missions::git::{Checkout, GitError, GitProgram};
use kitty_missions::project::{MARKER, Project};
use kitty_missions::status_writer::StatusError;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{Filesystem, read_all};
use kitty_runtime::lock::LockError;
use kitty_runtime::python_json;
use manifest::VERSION;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use writers::Writers;

/// A rewrite did not succeed; every file is either as it was or as it is to be.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The operating system refused.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another program changed a file while it was upgraded.
    #[error("{path} was changed by another program meanwhile: run `spec-kitty upgrade` again")]
    Changed {
        /// The file, below the project's root.
        path: String,
    },
    /// The manifest or an original is not what was written.
    #[error("{} is damaged; nothing was changed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Another program upgrades the project, or changes its configuration, all the time.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another program writes a mission all the time.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// Git cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// What a rollback did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Files that are as they were before.
    pub restored: Vec<String>,
    /// Files that somebody changed since; they are left alone.
    pub changed_since: Vec<String>,
}

/// The file systems that a rewrite works on.
#[derive(Debug, Clone, Copy)]
pub struct RewriteFiles<'a> {
    /// For files of the working tree.
    pub tree: &'a dyn Filesystem,
    /// For the manifest and the originals.
    pub private: &'a dyn Filesystem,
}

/// Where a project's manifest and originals lie.
#[derive(Debug, Clone)]
pub struct Rewrites<'a> {
    files: RewriteFiles<'a>,
    project: &'a Project,
    directory: PathBuf,
}

impl<'a> Rewrites<'a> {
    /// Creates a handle; nothing is read or written.
    #[must_use]
    pub fn new(files: RewriteFiles<'a>, project: &'a Project) -> Self {
        let directory = match &project.checkout {
            Some(checkout) => checkout.common_dir().join("spec-kitty").join("upgrade"),
            None => project.root.join(MARKER).join("migrations").join("upgrade"),
        };
        Self {
            files,
            project,
            directory,
        }
    }

    /// Returns where the manifest lies.
    #[must_use]
    pub fn manifest_file(&self) -> PathBuf {
        self.directory.join("rewritten.json")
    }

    fn original(&self, hash: &str) -> PathBuf {
        self.directory.join("originals").join(hash)
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> RewriteError + '_ {
        |source| RewriteError::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Reads the manifest of what was rewritten and not taken back.
    ///
    /// # Errors
    /// [`RewriteError`].
    pub fn manifest(&self) -> Result<Option<Manifest>, RewriteError> {
        let path = self.manifest_file();
        let bytes = match read_all(self.files.private, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Self::io(&path))?,
        };
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) if manifest.version == VERSION => Ok(Some(manifest)),
            _ => Err(RewriteError::Damaged { path }),
        }
    }

    /// Stores how far the rewrite is.
    ///
    /// # Errors
    /// [`RewriteError::Io`].
    pub fn write(&self, manifest: &Manifest) -> Result<(), RewriteError> {
        let path = self.manifest_file();
        let text = python_json::indented_unescaped(manifest) + "\n";
        let bytes = text.as_bytes();
        crashsafe::replace(self.files.private, &path, bytes, Durability::PowerCut)
            .map_err(Self::io(&path))
    }

    /// Rewrites what the plan says; durable and read back when it returns.
    ///
    /// # Errors
    /// [`RewriteError`]; a second run goes on from there.
    pub fn apply(&self, plan: &ProjectPlan) -> Result<Option<Manifest>, RewriteError> {
        if plan.changes.is_empty() && self.manifest()?.is_none() {
            return Ok(None);
        }
        let _alone = writers::lock_upgrade(&self.directory)?;
        let before = self.manifest()?;
        if plan.changes.is_empty() {
            return self.verified(before);
        }
        let clean = self.clean(plan)?;
        let mut manifest = before.unwrap_or(Manifest {
            version: VERSION,
            stage: Stage::Applying,
            files: Vec::new(),
        });
        manifest.stage = Stage::Applying;
        for change in &plan.changes {
            self.keep_original(change)?;
            manifest.note(change, clean.contains(&change.path));
        }
        self.write(&manifest)?;
        let of_path = plan.changes.iter().map(|change| (&change.path, change));
        let changes: HashMap<_, _> = of_path.collect();
        let mut writers = Writers::new(self.project);
        for file in &manifest.files {
            writers.exclude(&file.path)?;
            crashsafe::sweep_beside(self.files.tree, &self.project.root.join(&file.path));
            if let Some(change) = changes.get(&file.path) {
                self.rewrite(change)?;
            }
        }
        self.verified(Some(manifest))
    }

    fn keep_original(&self, change: &Change) -> Result<(), RewriteError> {
        let path = self.original(&sha256(&change.before));
        if read_all(self.files.private, &path).is_ok_and(|kept| kept == change.before) {
            return Ok(());
        }
        let bytes = &change.before;
        crashsafe::replace(self.files.private, &path, bytes, Durability::PowerCut)
            .map_err(Self::io(&path))
    }

    /// Rewrites a file and reads it back; the caller keeps its writers out.
    fn rewrite(&self, change: &Change) -> Result<(), RewriteError> {
        let path = self.project.root.join(&change.path);
        let holds = |bytes: &[u8]| match read_all(self.files.tree, &path) {
            Ok(now) if now == bytes => Ok(()),
            Ok(_) => Err(RewriteError::Changed {
                path: change.path.clone(),
            }),
            Err(error) => Err(Self::io(&path)(error)),
        };
        holds(&change.before)?;
        self.replace(&path, &change.after)?;
        holds(&change.after)
    }

    /// Replaces a file of the tree, which keeps its permissions.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), RewriteError> {
        let permissions = path.metadata().map_err(Self::io(path))?.permissions();
        crashsafe::replace(self.files.tree, path, bytes, Durability::PowerCut)
            .map_err(Self::io(path))?;
        std::fs::set_permissions(path, permissions).map_err(Self::io(path))
    }

    /// Finds the files that git has exactly as they stand there.
    fn clean(&self, plan: &ProjectPlan) -> Result<HashSet<String>, RewriteError> {
        let Some((checkout, below)) = self.checkout()? else {
            return Ok(HashSet::new());
        };
        let dirty: HashSet<PathBuf> = checkout.changes()?.into_iter().map(|it| it.path).collect();
        let mut clean = HashSet::new();
        for change in &plan.changes {
            let path = below.join(&change.path);
            if !dirty.contains(&path) && checkout.is_committed(&path)? {
                clean.insert(change.path.clone());
            }
        }
        Ok(clean)
    }

    /// The checkout that holds the project's files, and where they lie in it.
    fn checkout(&self) -> Result<Option<(Checkout, PathBuf)>, RewriteError> {
        let root = &self.project.root;
        let found = Checkout::discover(&GitProgram::default(), root)?;
        Ok(found.and_then(|checkout| {
            let below = root.strip_prefix(checkout.root()).ok()?.to_owned();
            Some((checkout, below))
        }))
    }

    /// Commits what was rewritten and was clean before; returns the paths of the commit.
    ///
    /// # Errors
    /// [`RewriteError::Git`] when a hook refuses, for example; the files stay as they are.
    pub fn commit(&self, message: &str) -> Result<Vec<String>, RewriteError> {
        let Some(mut manifest) = self.manifest()? else {
            return Ok(Vec::new());
        };
        let Some((checkout, below)) = self.checkout()? else {
            return Ok(Vec::new());
        };
        if manifest.stage != Stage::Verified {
            return Ok(Vec::new());
        }
        let is_ours = |file: &&Rewritten| {
            let now = read_all(self.files.tree, &self.project.root.join(&file.path));
            file.commit && now.is_ok_and(|now| sha256(&now) == file.sha256_after)
        };
        let files: Vec<String> = manifest
            .files
            .iter()
            .filter(is_ours)
            .map(|file| file.path.clone())
            .collect();
        let paths: Vec<PathBuf> = files.iter().map(|file| below.join(file)).collect();
        let committed = if paths.is_empty() {
            None
        } else {
            checkout.record(&paths, message)?
        };
        manifest.stage = Stage::Committed;
        self.write(&manifest)?;
        Ok(committed.map(|_| files).unwrap_or_default())
    }

    /// Notes that every file is as it is to be.
    fn verified(&self, manifest: Option<Manifest>) -> Result<Option<Manifest>, RewriteError> {
        let Some(mut manifest) = manifest else {
            return Ok(None);
        };
        if manifest.stage == Stage::Applying {
            manifest.stage = Stage::Verified;
            self.write(&manifest)?;
        }
        Ok(Some(manifest))
    }

    /// Puts every original back; files that somebody changed since are left alone and named.
    ///
    /// # Errors
    /// [`RewriteError`]; a second run goes on from there.
    pub fn roll_back(&self) -> Result<Restored, RewriteError> {
        let mut done = Restored::default();
        if self.manifest()?.is_none() {
            return Ok(done);
        }
        let _alone = writers::lock_upgrade(&self.directory)?;
        let Some(manifest) = self.manifest()? else {
            return Ok(done);
        };
        let mut writers = Writers::new(self.project);
        let mut left = Vec::new();
        for file in &manifest.files {
            writers.exclude(&file.path)?;
            if self.put_back(file)? {
                done.restored.push(file.path.clone());
            } else {
                left.push(file.clone());
                done.changed_since.push(file.path.clone());
            }
        }
        if left.is_empty() {
            let path = self.manifest_file();
            crashsafe::remove(self.files.private, &path).map_err(Self::io(&path))?;
            for file in &manifest.files {
                // The manifest is gone, so an original that stays is only a little disk.
                let _ = crashsafe::remove(self.files.private, &self.original(&file.sha256_before));
            }
        } else {
            self.write(&Manifest {
                files: left,
                ..manifest
            })?;
        }
        Ok(done)
    }

    /// Puts an original back; tells whether the file is as it was, which it is not when somebody has
    /// changed it since. The caller keeps its writers out.
    fn put_back(&self, file: &Rewritten) -> Result<bool, RewriteError> {
        let path = self.project.root.join(&file.path);
        crashsafe::sweep_beside(self.files.tree, &path);
        let now = match read_all(self.files.tree, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => sha256(&other.map_err(Self::io(&path))?),
        };
        if now == file.sha256_after {
            self.replace(&path, &self.read_original(&file.sha256_before)?)?;
            return Ok(true);
        }
        Ok(now == file.sha256_before)
    }

    fn read_original(&self, hash: &str) -> Result<Vec<u8>, RewriteError> {
        let path = self.original(hash);
        let bytes = read_all(self.files.private, &path).map_err(Self::io(&path))?;
        if sha256(&bytes) == hash {
            Ok(bytes)
        } else {
            Err(RewriteError::Damaged { path })
        }
    }
}
