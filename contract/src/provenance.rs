//! Where the contract comes from.

use crate::tables::{Package, Tables};

/// What a contract was derived from (document 4, FR-023); a view of its gate.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'g> {
    tables: &'g Tables,
}

/// One installed package that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageProvenance<'g> {
    /// The distribution's name.
    pub name: &'g str,
    /// The release.
    pub version: &'g str,
    /// The number of files that were read.
    pub files: u32,
    /// SHA-256, in hex, over one `digest  name` line per file, sorted by name.
    pub files_sha256: &'g str,
    /// The source commit of the release, where it is known.
    pub source_commit: Option<&'g str>,
}

/// The hosted service whose ingress rules were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngressProvenance<'g> {
    /// The service's name.
    pub name: &'g str,
    /// Its source commit.
    pub source_commit: &'g str,
}

impl<'g> Provenance<'g> {
    pub(crate) fn new(tables: &'g Tables) -> Self {
        Self { tables }
    }

    /// The version of the artifact itself.
    #[must_use]
    pub fn artifact_version(&self) -> &'g str {
        self.tables.origin.artifact_version.of(&self.tables.pool)
    }

    /// The version of the rule language that the artifact is written in.
    #[must_use]
    pub fn rule_language(&self) -> u32 {
        self.tables.origin.rule_language
    }

    /// The envelope's `schema_version`.
    #[must_use]
    pub fn schema_version(&self) -> &'g str {
        self.tables.origin.schema_version.of(&self.tables.pool)
    }

    /// The packages that were read, oldest release first.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = PackageProvenance<'g>> + use<'g> {
        let pool = &*self.tables.pool;
        self.tables
            .packages
            .iter()
            .map(move |package: &Package| PackageProvenance {
                name: package.name.of(pool),
                version: package.version.of(pool),
                files: package.files,
                files_sha256: package.files_sha256.of(pool),
                source_commit: package.source_commit.map(|commit| commit.of(pool)),
            })
    }

    /// The hosted ingress.
    #[must_use]
    pub fn ingress(&self) -> IngressProvenance<'g> {
        let (origin, pool) = (&self.tables.origin, &self.tables.pool);
        IngressProvenance {
            name: origin.ingress_name.of(pool),
            source_commit: origin.ingress_commit.of(pool),
        }
    }
}
