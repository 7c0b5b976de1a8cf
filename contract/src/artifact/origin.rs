//! Provenance and vocabulary as they stand in the artifact.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProvenanceDocument<'a> {
    pub(crate) schema_version: &'a str,
    #[serde(borrow)]
    pub(crate) packages: Vec<PackageDocument<'a>>,
    #[serde(borrow)]
    pub(crate) ingress: IngressDocument<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageDocument<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) files: u32,
    pub(crate) files_sha256: &'a str,
    #[serde(default)]
    pub(crate) source_commit: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IngressDocument<'a> {
    pub(crate) name: &'a str,
    pub(crate) source_commit: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VocabularyDocument<'a> {
    #[serde(borrow)]
    pub(crate) orchestrator_api: OrchestratorDocument<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrchestratorDocument<'a> {
    pub(crate) contract_version: &'a str,
    #[serde(borrow)]
    pub(crate) commands: WordsDocument<'a>,
    #[serde(borrow)]
    pub(crate) error_codes: WordsDocument<'a>,
    #[serde(borrow)]
    pub(crate) cli_flags: WordsDocument<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WordsDocument<'a> {
    #[serde(borrow)]
    pub(crate) allowed: Vec<&'a str>,
    #[serde(borrow)]
    pub(crate) reserved: Vec<&'a str>,
    #[serde(borrow)]
    pub(crate) forbidden: Vec<&'a str>,
}
