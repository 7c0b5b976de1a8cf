//! The words of the machine-facing command surface, as the contract lists them.

use crate::tables::{Range, Tables, WordLists};

/// The words of one surface by their standing, in the artifact's order; a view of its gate.
#[derive(Clone, Copy, Debug)]
pub struct Words<'g> {
    tables: &'g Tables,
    lists: WordLists,
}

/// Whether a word may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Part of the contract version that this workspace speaks.
    Allowed,
    /// Used upstream by a later contract version; not ours to give another meaning.
    Reserved,
    /// A feature-era word; must not be accepted and must not be produced.
    Forbidden,
    /// In no list.
    Unknown,
}

impl<'g> Words<'g> {
    fn list(&self, range: Range) -> impl ExactSizeIterator<Item = &'g str> + use<'g> {
        let tables = self.tables;
        range
            .of(&tables.words)
            .iter()
            .map(|word| word.text.of(&tables.pool))
    }

    /// The words that may be used.
    pub fn allowed(&self) -> impl ExactSizeIterator<Item = &'g str> + use<'g> {
        self.list(self.lists.allowed)
    }

    /// The words of later contract versions.
    pub fn reserved(&self) -> impl ExactSizeIterator<Item = &'g str> + use<'g> {
        self.list(self.lists.reserved)
    }

    /// The words that must not appear.
    pub fn forbidden(&self) -> impl ExactSizeIterator<Item = &'g str> + use<'g> {
        self.list(self.lists.forbidden)
    }

    /// The standing of a word; compared exactly.
    #[must_use]
    pub fn standing(&self, word: &str) -> Standing {
        if self.forbidden().any(|known| known == word) {
            Standing::Forbidden
        } else if self.allowed().any(|known| known == word) {
            Standing::Allowed
        } else if self.reserved().any(|known| known == word) {
            Standing::Reserved
        } else {
            Standing::Unknown
        }
    }
}

/// The vocabulary of `orchestrator-api`; a view of its gate.
#[derive(Clone, Copy, Debug)]
pub struct OrchestratorApi<'g> {
    tables: &'g Tables,
}

impl<'g> OrchestratorApi<'g> {
    pub(crate) fn new(tables: &'g Tables) -> Self {
        Self { tables }
    }

    /// The version of the response contract that the allowed words belong to.
    #[must_use]
    pub fn contract_version(&self) -> &'g str {
        self.tables
            .orchestrator_api
            .contract_version
            .of(&self.tables.pool)
    }

    /// The verbs.
    #[must_use]
    pub fn commands(&self) -> Words<'g> {
        self.words(self.tables.orchestrator_api.commands)
    }

    /// The values of `error_code`.
    #[must_use]
    pub fn error_codes(&self) -> Words<'g> {
        self.words(self.tables.orchestrator_api.error_codes)
    }

    /// The flags that name a mission.
    #[must_use]
    pub fn cli_flags(&self) -> Words<'g> {
        self.words(self.tables.orchestrator_api.cli_flags)
    }

    fn words(&self, lists: WordLists) -> Words<'g> {
        Words {
            tables: self.tables,
            lists,
        }
    }
}
