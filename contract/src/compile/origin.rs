//! Provenance and vocabulary: texts that no rule reads.

use crate::artifact::{ArtifactDocument, WordsDocument};
use crate::tables::{OrchestratorWords, Origin, Package, WordLists};

use super::{Compiler, append};

impl<'a> Compiler<'a> {
    pub(super) fn origin(&mut self, document: &ArtifactDocument<'a>) {
        let provenance = &document.provenance;
        let packages = provenance.packages.iter().map(|package| Package {
            name: self.span(package.name),
            version: self.span(package.version),
            files: package.files,
            files_sha256: self.span(package.files_sha256),
            source_commit: package.source_commit.map(|commit| self.span(commit)),
        });
        let packages = packages.collect();
        append(&mut self.tables.packages, packages);
        self.tables.origin = Origin {
            artifact_version: self.span(document.artifact_version),
            rule_language: document.rule_language,
            schema_version: self.span(provenance.schema_version),
            ingress_name: self.span(provenance.ingress.name),
            ingress_commit: self.span(provenance.ingress.source_commit),
        };
        let words = &document.vocabulary.orchestrator_api;
        self.tables.orchestrator_api = OrchestratorWords {
            contract_version: self.span(words.contract_version),
            commands: self.word_lists(&words.commands),
            error_codes: self.word_lists(&words.error_codes),
            cli_flags: self.word_lists(&words.cli_flags),
        };
    }

    fn word_lists(&mut self, words: &WordsDocument<'a>) -> WordLists {
        WordLists {
            allowed: self.words(&words.allowed),
            reserved: self.words(&words.reserved),
            forbidden: self.words(&words.forbidden),
        }
    }
}
