//! The work packages of a mission as their files describe them.

use super::WorkflowError;
use crate::dependency_graph::DependencyGraph;
use crate::handle::NamedMission;
use crate::work_package::{self, Frontmatter, WorkPackageFile};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

/// What the files of a mission's work packages say.
#[derive(Debug, Clone, Default)]
pub struct Packages {
    /// By id.
    pub by_id: BTreeMap<String, Frontmatter>,
}

impl Packages {
    /// Reads every work package file of a mission.
    ///
    /// # Errors
    /// [`WorkflowError::Package`] for the first file that cannot be understood.
    pub fn read(mission: &NamedMission) -> Result<Self, WorkflowError> {
        let mut by_id = BTreeMap::new();
        for (wp_id, path) in work_package::list(&mission.directory)? {
            // Of two files with one id the first by name counts, as everywhere.
            if let Entry::Vacant(vacant) = by_id.entry(wp_id) {
                vacant.insert(frontmatter(&path)?);
            }
        }
        Ok(Self { by_id })
    }

    /// Returns who depends on whom.
    #[must_use]
    pub fn graph(&self) -> DependencyGraph {
        let packages = self.by_id.iter();
        packages
            .map(|(id, package)| (id.clone(), package.dependencies.clone()))
            .collect()
    }
}

/// Reads the frontmatter of one file.
pub(super) fn frontmatter(path: &Path) -> Result<Frontmatter, WorkflowError> {
    let text = work_package::read(path)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let parsed = WorkPackageFile::parse(&file, &text)?;
    Ok(Frontmatter::read(&file, &parsed)?)
}
