//! `.kittify/config.yaml` as a record of the identity: `project`, `build` and `node` (document 4,
//! FR-005 and FR-006).
//!
//! The file is the user's and is committed, so it is written only by commands that configure the
//! project (`init`, `tracker bind`, `upgrade`), line by line, and never by one that captures. The
//! build section names the checkout it is of by a fingerprint; in a clone or a copy that does not
//! fit, and what it says is nobody's identity there.

use super::ProjectIdentity;
use super::build::fingerprint;
use crate::files::{Links, WorktreeFilesystem, read_text};
use crate::git::Checkout;
use crate::project::tracker::edit;
use crate::project::{ConfigProblem, LIMIT, MARKER, Project, document};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::lock::LockError;
use serde_yaml_ng::{Mapping, Value};
use std::io;
use std::path::{Path, PathBuf};

/// The identity was not written down; the file is as it was, and the identity holds without it.
#[derive(Debug, thiserror::Error)]
pub enum NotPersisted {
    /// The file cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// The file is written in a way that only its author can change.
    #[error(
        "the project, build and node sections of {} cannot be changed without touching the rest: \
         edit it by hand",
        file.display()
    )]
    NotEditable {
        /// The file.
        file: PathBuf,
    },
    /// Another program changes the file all the time.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The operating system refused.
    #[error("{} cannot be written: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Writes an identity into the project's configuration; tells whether that changed it.
///
/// What the file says of the project (`uuid`, `slug`) stays as it is written; the build and the node
/// become those of this checkout. A linked worktree keeps its build in its own copy of the file, if
/// it has one. Comments, order and every other key stay. Durable when it returns.
///
/// # Errors
/// [`NotPersisted`]; then the files are as they were, or the project's is changed already.
pub fn persist(project: &Project, identity: &ProjectIdentity) -> Result<bool, NotPersisted> {
    let _lock = project.lock_config()?;
    let linked = project.checkout.as_ref().filter(|git| git.is_linked());
    let (mut sections, build) = (who(identity), build(project, identity));
    let Some(linked) = linked else {
        sections.insert(1, build);
        return write(&project.config_file(), &sections);
    };
    let changed = write(&project.config_file(), &sections)?;
    let own = own_file(linked);
    Ok(own.is_file() && write(&own, &[build])? || changed)
}

/// The configuration that lies in a checkout itself.
pub(super) fn own_file(checkout: &Checkout) -> PathBuf {
    checkout.root().join(MARKER).join("config.yaml")
}

/// What a section is to say.
struct Section {
    name: &'static str,
    fields: Vec<(&'static str, String)>,
    /// Whether a field that is there stays as it is.
    keeps: bool,
}

fn who(identity: &ProjectIdentity) -> Vec<Section> {
    let project = Section {
        name: "project",
        fields: vec![
            ("uuid", identity.project_uuid.to_string()),
            ("slug", identity.project_slug.clone()),
        ],
        keeps: true,
    };
    let node = Section {
        name: "node",
        fields: vec![("id", identity.node_id.clone())],
        keeps: false,
    };
    vec![project, node]
}

fn build(project: &Project, identity: &ProjectIdentity) -> Section {
    let mut fields = vec![("id", identity.build_id.to_string())];
    if let Some(checkout) = &project.checkout {
        let place = fingerprint(identity.build_id, checkout.git_dir());
        fields.push(("checkout", place));
    }
    Section {
        name: "build",
        fields,
        keeps: false,
    }
}

fn write(file: &Path, sections: &[Section]) -> Result<bool, NotPersisted> {
    // A link stays a link: what it points to is replaced.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let text =
        read_text(&file, LIMIT, Links::Follow).map_err(|problem| ConfigProblem::Unreadable {
            file: file.clone(),
            problem,
        })?;
    let before = text.unwrap_or_default();
    let after = edited(&file, &before, sections)?;
    if after == before {
        return Ok(false);
    }
    crashsafe::replace(
        &WorktreeFilesystem,
        &file,
        after.as_bytes(),
        Durability::PowerCut,
    )
    .map_err(|source| NotPersisted::Io { file, source })?;
    Ok(true)
}

/// Edits the text, reads the result again, and refuses it unless it says what was meant.
fn edited(file: &Path, text: &str, sections: &[Section]) -> Result<String, NotPersisted> {
    let not_editable = || NotPersisted::NotEditable {
        file: file.to_owned(),
    };
    let mut wanted = document(file, text)?.unwrap_or_default();
    let mut after = text.to_owned();
    for section in sections {
        let mut there = match wanted.get(section.name) {
            None | Some(Value::Null) => Mapping::new(),
            Some(Value::Mapping(there)) => there.clone(),
            Some(_) => return Err(not_editable()),
        };
        let changes = section.changes(&there);
        if changes.is_empty() {
            continue;
        }
        for (key, value) in &changes {
            there.insert(Value::from(*key), value.clone().unwrap_or_default());
        }
        wanted.insert(Value::from(section.name), Value::Mapping(there));
        after = edit::section(&after, section.name, &changes).ok_or_else(not_editable)?;
    }
    let found = document(file, &after).map_err(|_| not_editable())?;
    if found.unwrap_or_default() == wanted {
        Ok(after)
    } else {
        Err(not_editable())
    }
}

impl Section {
    /// The fields that do not say yet what they are to say.
    fn changes(&self, there: &Mapping) -> Vec<(&'static str, Option<Value>)> {
        let mut changes = Vec::new();
        for (key, value) in &self.fields {
            let value = Value::from(value.as_str());
            let before = there.get(key).filter(|before| !before.is_null());
            if before.is_none_or(|before| !self.keeps && *before != value) {
                changes.push((*key, Some(value)));
            }
        }
        changes
    }
}
