//! Rewrites files of a project so that it can be taken back byte by byte.
//!
//! ```text
//! originals  ──▶ manifest ──▶ files, one by one ──▶ read back ──▶ manifest says verified
//! ```
//!
//! Every arrow is durable before the next thing begins. Killed anywhere, `upgrade` plans again: what is
//! rewritten needs nothing, the rest is in the plan with the same result. Originals are named by their
//! hash and lie in the common git directory, where they dirty no tree and no clone carries them along.

use crate::project::{Change, ProjectPlan};
use crate::sha256;
use kitty_missions::git::{Checkout, GitError, GitProgram};
use kitty_missions::project::{MARKER, Project};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{Filesystem, read_all};
use kitty_runtime::lock::LockError;
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// The version of the manifest's format.
const VERSION: u32 = 1;

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
    /// Another program changes the configuration all the time.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Git cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// One rewritten file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewritten {
    /// Its path below the project's root, with `/`.
    pub path: String,
    /// Of its original, lower-case hexadecimal.
    pub sha256_before: String,
    /// Of what was written.
    pub sha256_after: String,
    /// What was done, in words.
    pub actions: Vec<String>,
    /// Whether it was committed and unmodified before, so that the change may be committed.
    pub commit: bool,
}

/// How far a rewrite is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Some files may be rewritten and some not.
    Applying,
    /// All are, and were read back.
    Verified,
    /// They are committed.
    Committed,
}

/// What a rewrite did or is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// How far it is.
    pub stage: Stage,
    /// The files.
    pub files: Vec<Rewritten>,
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
        let before = self.manifest()?;
        if plan.changes.is_empty() {
            return self.verified(plan, before);
        }
        let clean = self.clean(plan)?;
        let _lock = self.project.lock_config()?;
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
        for change in &plan.changes {
            self.rewrite(change)?;
        }
        self.verified(plan, Some(manifest))
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

    fn rewrite(&self, change: &Change) -> Result<(), RewriteError> {
        let path = self.project.root.join(&change.path);
        let now = read_all(self.files.tree, &path).map_err(Self::io(&path))?;
        if now != change.before {
            return Err(RewriteError::Changed {
                path: change.path.clone(),
            });
        }
        self.replace(&path, &change.after)
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

    /// Reads every file back that this run changed.
    fn verified(
        &self,
        plan: &ProjectPlan,
        manifest: Option<Manifest>,
    ) -> Result<Option<Manifest>, RewriteError> {
        let Some(mut manifest) = manifest else {
            return Ok(None);
        };
        if manifest.stage != Stage::Applying {
            return Ok(Some(manifest));
        }
        for change in &plan.changes {
            let path = self.project.root.join(&change.path);
            let now = read_all(self.files.tree, &path).map_err(Self::io(&path))?;
            if now != change.after {
                return Err(RewriteError::Changed {
                    path: change.path.clone(),
                });
            }
        }
        manifest.stage = Stage::Verified;
        self.write(&manifest)?;
        Ok(Some(manifest))
    }

    /// Puts every original back; files that somebody changed since are left alone and named.
    ///
    /// # Errors
    /// [`RewriteError`]; a second run goes on from there.
    pub fn roll_back(&self) -> Result<Restored, RewriteError> {
        let mut done = Restored::default();
        let Some(manifest) = self.manifest()? else {
            return Ok(done);
        };
        let _lock = self.project.lock_config()?;
        let mut left = Vec::new();
        for file in &manifest.files {
            let path = self.project.root.join(&file.path);
            let now = match read_all(self.files.tree, &path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                other => Some(sha256(&other.map_err(Self::io(&path))?)),
            };
            if now.as_ref() == Some(&file.sha256_after) {
                let original = self.read_original(&file.sha256_before)?;
                self.replace(&path, &original)?;
            } else if now.as_ref() != Some(&file.sha256_before) {
                left.push(file.clone());
                done.changed_since.push(file.path.clone());
                continue;
            }
            done.restored.push(file.path.clone());
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

impl Manifest {
    /// Notes a change; of a file that was rewritten before, the first original stays the original.
    fn note(&mut self, change: &Change, clean: bool) {
        let (before, after) = (sha256(&change.before), sha256(&change.after));
        let known = self.files.iter_mut().find(|file| file.path == change.path);
        match known {
            Some(file) if file.sha256_after == before => {
                file.sha256_after = after;
                file.commit = clean;
                file.actions.extend(change.actions.iter().cloned());
            }
            Some(file) => {
                file.sha256_before = before;
                file.sha256_after = after;
                // A run that was killed here saw it clean; only its own change can have come since.
                file.commit |= clean;
                file.actions.clone_from(&change.actions);
            }
            None => self.files.push(Rewritten {
                path: change.path.clone(),
                sha256_before: before,
                sha256_after: after,
                actions: change.actions.clone(),
                commit: clean,
            }),
        }
    }
}
