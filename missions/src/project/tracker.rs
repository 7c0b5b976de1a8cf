//! The `tracker` section of `.kittify/config.yaml`: which resource the project is bound to.
//!
//! The file is the user's. A change touches the lines of the fields that are ours and no other:
//! comments, order and every other section stay as they are. What came out is parsed again and must
//! say what was meant and nothing else; if it does not, the file is left alone.

pub(crate) mod edit;

use super::Project;
use super::config::{ConfigProblem, LIMIT, Reader, document};
use crate::files::{Links, WorktreeFilesystem, read_text};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::lock::LockError;
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The section's name.
const SECTION: &str = "tracker";

/// What a project is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackerBinding {
    /// The provider, lower case.
    pub provider: Option<String>,
    /// The server's reference to the resource.
    pub binding_ref: Option<String>,
    /// The older form of the reference.
    pub project_slug: Option<String>,
    /// Names the resource for people.
    pub display_label: Option<String>,
    /// What the provider says about the resource; text only.
    pub provider_context: BTreeMap<String, String>,
    /// The workspace of a local provider.
    pub workspace: Option<String>,
    /// What the project lets its tracker data do: `refused` or `permitted`.
    pub egress: Option<String>,
}

impl TrackerBinding {
    /// Tells whether a hosted provider's resource is named.
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        self.provider.is_some() && (self.binding_ref.is_some() || self.project_slug.is_some())
    }

    /// Reads the section; a missing file or section is an empty one.
    ///
    /// # Errors
    /// [`ConfigProblem`].
    pub fn read(file: &Path) -> Result<Self, ConfigProblem> {
        Self::parse(file, &text_of(file)?.unwrap_or_default())
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ConfigProblem> {
        let reader = Reader { file };
        let Some(root) = document(file, text)? else {
            return Ok(Self::default());
        };
        let section = match root.get(SECTION) {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Mapping(section)) => section,
            Some(_) => return Err(reader.wrong(SECTION, "a mapping")),
        };
        let field = |key: &str| reader.text(section, &format!("{SECTION}.{key}"), key);
        Ok(Self {
            provider: field("provider")?.map(|provider| provider.to_lowercase()),
            binding_ref: field("binding_ref")?,
            project_slug: field("project_slug")?,
            display_label: field("display_label")?,
            provider_context: context(section),
            workspace: field("workspace")?,
            egress: field("egress")?,
        })
    }

    /// Returns the fields that this program writes, in their order; `None` removes one.
    fn fields(&self) -> [(&'static str, Option<Value>); 5] {
        let text = |field: &Option<String>| field.clone().map(Value::String);
        let context = self.provider_context.iter();
        let context: Mapping = context
            .map(|(key, value)| (Value::from(key.as_str()), Value::from(value.as_str())))
            .collect();
        [
            ("provider", text(&self.provider)),
            ("binding_ref", text(&self.binding_ref)),
            ("project_slug", text(&self.project_slug)),
            ("display_label", text(&self.display_label)),
            (
                "provider_context",
                (!context.is_empty()).then_some(Value::Mapping(context)),
            ),
        ]
    }
}

/// Other tools may keep more than text there; that is not ours.
fn context(section: &Mapping) -> BTreeMap<String, String> {
    let Some(Value::Mapping(context)) = section.get("provider_context") else {
        return BTreeMap::new();
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pairs = context.iter();
    pairs
        .filter_map(|(key, value)| Some((text(key)?, text(value)?)))
        .collect()
}

/// The binding could not be stored; the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BindingNotStored {
    /// The file cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// The file is written in a way that only its author can change.
    #[error(
        "the tracker section of {} cannot be changed without touching the rest of the file: \
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

/// Changes a project's binding and returns what is stored now.
///
/// `next` gets the binding as it is under the lock of the file ([`Project::lock_config`]), so that
/// of two changes at once neither is lost. Durable when it returns. The default binding removes what
/// is ours (`workspace`, `ownership` and `egress` stay).
///
/// # Errors
/// [`BindingNotStored`]; then the file is as it was.
pub fn change(
    project: &Project,
    next: impl FnOnce(TrackerBinding) -> TrackerBinding,
) -> Result<TrackerBinding, BindingNotStored> {
    let file = project.config_file();
    let _lock = project.lock_config()?;
    let binding = next(TrackerBinding::read(&file)?);
    store(&file, &binding)?;
    Ok(binding)
}

/// Stores a binding: the five fields of ours are set or removed, everything else stays.
fn store(file: &Path, binding: &TrackerBinding) -> Result<(), BindingNotStored> {
    // A link stays a link: what it points to is replaced.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let before = text_of(&file)?.unwrap_or_default();
    let after = changed(&file, &before, binding)?;
    if after == before {
        return Ok(());
    }
    crashsafe::replace(
        &WorktreeFilesystem,
        &file,
        after.as_bytes(),
        Durability::PowerCut,
    )
    .map_err(|source| BindingNotStored::Io { file, source })
}

fn changed(file: &Path, text: &str, binding: &TrackerBinding) -> Result<String, BindingNotStored> {
    let not_editable = || BindingNotStored::NotEditable {
        file: file.to_owned(),
    };
    let fields = binding.fields();
    let before = document(file, text)?.unwrap_or_default();
    let wanted = with_fields(&before, &fields).ok_or_else(not_editable)?;
    let after = edit::section(text, SECTION, &fields).ok_or_else(not_editable)?;
    let found = document(file, &after).map_err(|_| not_editable())?;
    if without_nothing(found.unwrap_or_default()) == without_nothing(wanted) {
        Ok(after)
    } else {
        Err(not_editable())
    }
}

/// Applies the fields to the parsed document: what the edited text must say.
fn with_fields(root: &Mapping, fields: &[(&str, Option<Value>)]) -> Option<Mapping> {
    let mut root = root.clone();
    let mut section = match root.get(SECTION) {
        None | Some(Value::Null) => Mapping::new(),
        Some(Value::Mapping(section)) => section.clone(),
        Some(_) => return None,
    };
    for (key, value) in fields {
        match value {
            Some(value) => section.insert(Value::from(*key), value.clone()),
            None => section.remove(*key),
        };
    }
    root.insert(Value::from(SECTION), Value::Mapping(section));
    Some(root)
}

/// An empty section and none are the same.
fn without_nothing(mut root: Mapping) -> Mapping {
    let is_empty = match root.get(SECTION) {
        Some(Value::Null) => true,
        Some(Value::Mapping(section)) => section.is_empty(),
        _ => false,
    };
    if is_empty {
        root.remove(SECTION);
    }
    root
}

fn text_of(file: &Path) -> Result<Option<String>, ConfigProblem> {
    read_text(file, LIMIT, Links::Follow).map_err(|problem| ConfigProblem::Unreadable {
        file: file.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests;
