//! The gate: one compiled contract, and the checks that ask it.

use std::sync::Arc;

use serde_json::Value;

use crate::artifact::ArtifactError;
use crate::compile::compile;
use crate::context::Context;
use crate::machine::{Child, Machine};
use crate::path::Path;
use crate::provenance::Provenance;
use crate::tables::{Range, Role, Tables};
use crate::violation::Violation;
use crate::vocabulary::OrchestratorApi;
use crate::walk::{walk_text, walk_value};

/// The text of the vendored artifact, `contract/artifact/upstream_contract.json`.
pub const VENDORED_ARTIFACT: &str = include_str!("../artifact/upstream_contract.json");

/// The compatibility gate (document 4, FR-012): decides whether a value may leave the machine.
///
/// Every rule comes from the artifact (FR-013, FR-023). Checks are pure and total: no I/O, no
/// clock, no panic, and a stack that does not grow with the input. Clones share the compiled
/// contract; use one from as many threads as needed.
#[derive(Clone, Debug)]
pub struct Gate {
    contract: Contract,
}

#[derive(Clone, Debug)]
enum Contract {
    /// Compiled by the build script.
    Vendored(&'static Tables),
    /// Compiled by this process.
    Compiled(Arc<Tables>),
}

static VENDORED: Gate = Gate {
    contract: Contract::Vendored(&crate::vendored::TABLES),
};

impl Gate {
    /// The gate over the vendored artifact, which is compiled when the program is built: the
    /// first call costs no more than the next.
    #[must_use]
    pub fn vendored() -> &'static Self {
        &VENDORED
    }

    /// Compiles an artifact.
    ///
    /// # Errors
    ///
    /// When the text is not an artifact of the known rule language, or has a rule that cannot be
    /// enforced. Nothing is skipped.
    pub fn from_artifact(json: &str) -> Result<Self, ArtifactError> {
        let tables = compile(&serde_json::from_str(json)?)?;
        Ok(Self {
            contract: Contract::Compiled(Arc::new(tables)),
        })
    }

    #[inline]
    fn tables(&self) -> &Tables {
        match &self.contract {
            Contract::Vendored(tables) => tables,
            Contract::Compiled(tables) => tables,
        }
    }

    /// Checks a value in a context.
    ///
    /// In [`Context::Envelope`] the payload's own rules are left out; see
    /// [`Gate::check_event_value`].
    ///
    /// # Errors
    ///
    /// The violation that the README's order puts first.
    pub fn check(&self, context: Context, value: &Value) -> Result<(), Violation> {
        self.value(context, context == Context::Payload, value)
    }

    /// Checks the bytes of a JSON document in a context, without building it.
    ///
    /// Gives the same verdict as [`Gate::check`] on the parsed document; text that is not JSON
    /// and objects with a key twice are violations too. Allocates nothing for a document that
    /// conforms and has neither keys with escapes, nor escapes in texts with fixed values or
    /// formats, nor more than sixteen unknown keys in one object.
    ///
    /// # Errors
    ///
    /// The violation that the README's order puts first.
    pub fn check_bytes(&self, context: Context, json: &[u8]) -> Result<(), Violation> {
        self.bytes(context, context == Context::Payload, json)
    }

    /// Checks an event envelope and its payload, by the rules of its event type, in one pass over
    /// its bytes.
    ///
    /// A payload that stands before the event type is walked a second time. An event type without
    /// rules has a payload of any form without forbidden keys.
    ///
    /// # Errors
    ///
    /// The violation that the README's order puts first.
    pub fn check_event(&self, envelope: &[u8]) -> Result<(), Violation> {
        self.bytes(Context::Envelope, true, envelope)
    }

    /// Checks a parsed event envelope and its payload; the same verdict as [`Gate::check_event`].
    ///
    /// # Errors
    ///
    /// The violation that the README's order puts first.
    pub fn check_event_value(&self, envelope: &Value) -> Result<(), Violation> {
        self.value(Context::Envelope, true, envelope)
    }

    fn value(&self, context: Context, with_payload: bool, value: &Value) -> Result<(), Violation> {
        let tables = self.tables();
        let mut machine = Machine::new(tables, context, with_payload);
        walk_value(&mut machine, value, root(tables, context), &Path::ROOT);
        machine.finish()
    }

    fn bytes(&self, context: Context, with_payload: bool, json: &[u8]) -> Result<(), Violation> {
        let tables = self.tables();
        let mut machine = Machine::new(tables, context, with_payload);
        match std::str::from_utf8(json) {
            Ok(text) => walk_text(&mut machine, text, root(tables, context)),
            Err(error) => machine.not_json(error.valid_up_to()),
        }
        machine.finish()
    }

    /// Where the contract comes from.
    #[must_use]
    pub fn provenance(&self) -> Provenance<'_> {
        Provenance::new(self.tables())
    }

    /// The words of `orchestrator-api`.
    #[must_use]
    pub fn orchestrator_api(&self) -> OrchestratorApi<'_> {
        OrchestratorApi::new(self.tables())
    }

    /// The event types whose payloads have rules, shortest name first.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables();
        let entries = tables.lookup(tables.payloads).entries;
        entries.iter().map(|entry| entry.word.text.of(&tables.pool))
    }

    /// The event types that no envelope may have.
    pub fn forbidden_event_types(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables();
        let envelope = tables.shapes[usize::from(tables.roots[Context::Envelope as usize])];
        let names = tables
            .objects
            .get(usize::from(envelope.object))
            .map(|object| object.names);
        let mut entries = tables.lookup(names.unwrap_or_default()).entries.iter();
        let entry = entries.find(|entry| entry.role == Role::EventType);
        let rules = entry.and_then(|entry| {
            let shape = tables.shapes[usize::from(entry.shape)];
            tables.strings.get(usize::from(shape.string))
        });
        let words = rules
            .map_or(Range::default(), |rules| rules.forbidden)
            .of(&tables.words);
        words.iter().map(|word| word.text.of(&tables.pool))
    }

    /// The keys that no outbound value may have at any depth.
    pub fn forbidden_keys(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables();
        let bare = tables.lookup(tables.objects[0].names).entries;
        bare.iter().map(|entry| entry.word.text.of(&tables.pool))
    }
}

fn root(tables: &Tables, context: Context) -> Child {
    Child::of(tables.roots[context as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_script_compiles_the_artifact_as_the_library_does() {
        let gate = Gate::from_artifact(VENDORED_ARTIFACT).expect("the vendored artifact compiles");
        assert_eq!(gate.tables(), Gate::vendored().tables());
    }
}
