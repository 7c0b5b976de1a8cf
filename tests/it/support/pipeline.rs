//! The whole way of an event without a network: append, ingest, deliver to a set, compact.

use kitty_config::{Environment, FileMap, RuntimeRoot, ScopePaths, env};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::journal::SEGMENT_LIMIT;
use kitty_runtime::lamport::LamportClock;
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::outcome::{DeliveryState, Outcome};
use kitty_runtime::owner::{BatchLimits, MailboxFactory, OwnerPorts, Scope, ScopeOwner};
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use kitty_runtime::target::DeliveryTarget;
use kitty_runtime::time::system_time;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub const PROJECT: &str = "11111111-2222-4333-8444-555555555555";

/// Where everything of one run lies.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub filesystem: SharedFilesystem,
    pub map: FileMap,
    pub scope: Scope,
    pub segment_limit: u64,
}

/// What a run acknowledged and what the far side received.
#[derive(Debug, Default)]
pub struct Observed {
    /// Ids for which an append returned.
    pub acknowledged: Vec<String>,
    /// Ids that were handed to an append, acknowledged or not.
    pub attempted: Vec<String>,
    /// Lamport values that were given.
    pub lamport: Vec<u64>,
    /// What the far side got, in order of first arrival, and how often.
    pub received: BTreeMap<String, usize>,
}

/// Whether the far side can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Up,
    Down,
}

pub fn target() -> DeliveryTarget {
    DeliveryTarget {
        server: "https://teamspace.example".into(),
        account: "u-1".into(),
        team: "t-1".into(),
    }
}

pub fn file_map(root: &Path) -> FileMap {
    let environment = Environment::default().with(env::SPEC_KITTY_HOME, root);
    FileMap::new(&RuntimeRoot::of_process(&environment).unwrap())
}

impl Pipeline {
    pub fn new(filesystem: SharedFilesystem, root: &Path) -> Self {
        let map = file_map(root);
        let paths: ScopePaths = map.project_scope(PROJECT);
        Self {
            filesystem,
            map,
            segment_limit: SEGMENT_LIMIT,
            scope: Scope {
                paths,
                name: PROJECT.into(),
            },
        }
    }

    pub fn clock(&self) -> LamportClock {
        LamportClock::new(self.filesystem.clone(), system_time(), &self.map)
    }

    /// Appends events as one command; a failure leaves `observed` without acknowledgements.
    pub fn append(&self, clock: &LamportClock, ids: &[String], observed: &mut Observed) {
        let Ok(values) = clock.tick(1) else { return };
        observed.lamport.extend(&values);
        observed.attempted.extend_from_slice(ids);
        let payloads: Vec<String> = ids
            .iter()
            .map(|id| format!("{{\"event\":\"{id}\"}}"))
            .collect();
        let records: Vec<RecordView<'_>> = ids
            .iter()
            .zip(&payloads)
            .map(|(id, payload)| RecordView {
                sequence: 0,
                kind: RecordKind::Event,
                captured_ms: 1,
                scope: CaptureScope::NOBODY,
                id,
                payload: payload.as_bytes(),
            })
            .collect();
        let inbox = Inbox::new(self.filesystem.clone(), self.scope.paths.clone());
        if inbox.append(values[0], &records).is_ok() {
            observed.acknowledged.extend_from_slice(ids);
        }
    }

    /// Owns the scope for one ingest, drain and compaction; stops at the first error.
    ///
    /// Offline, it only ingests: what was acknowledged then rests on the journal alone.
    pub fn work(
        &self,
        factory: Box<dyn MailboxFactory>,
        lease: OwnerLease,
        network: Network,
        observed: &mut Observed,
    ) -> Result<(), kitty_runtime::owner::OwnerError> {
        let ports = OwnerPorts {
            segment_limit: self.segment_limit,
            ..OwnerPorts::new(self.filesystem.clone(), system_time())
        };
        let mut owner = ScopeOwner::open(ports, self.scope.clone(), lease, factory)?;
        owner.ingest()?;
        if network == Network::Down {
            owner.release()?;
            return Ok(());
        }
        let limits = BatchLimits {
            records: 4,
            bytes: 1 << 16,
        };
        let mut cursor = owner.target(&target())?.low_water;
        while let Some(selection) = owner.select(&target(), RecordKind::Event, cursor, limits)? {
            let mut outcomes = Vec::new();
            for selected in &selection.selected {
                let (id, payload) = selection.record(selected);
                assert_eq!(payload, format!("{{\"event\":\"{id}\"}}").as_bytes());
                *observed.received.entry(id.to_owned()).or_default() += 1;
                outcomes.push(Outcome {
                    sequence: selected.sequence,
                    state: DeliveryState::Delivered,
                    detail: None,
                });
            }
            owner.record_outcomes(&target(), outcomes, Some(cursor..selection.next))?;
            cursor = selection.next;
        }
        owner.compact(&target(), Duration::ZERO)?;
        owner.release()?;
        Ok(())
    }
}

impl Observed {
    /// Checks the promise: nothing acknowledged is missing, nothing foreign arrived, no value twice.
    pub fn check(&self, context: &str) {
        for id in &self.acknowledged {
            assert!(
                self.received.contains_key(id),
                "{context}: acknowledged event {id} was lost"
            );
        }
        for id in self.received.keys() {
            assert!(
                self.attempted.contains(id),
                "{context}: {id} was never appended"
            );
        }
        let mut values = self.lamport.clone();
        values.sort_unstable();
        values.dedup();
        assert_eq!(
            values.len(),
            self.lamport.len(),
            "{context}: a Lamport value was given twice"
        );
    }
}
