//! The queues of four earlier generations, read and taken over (document 4, FR-014 and FR-020).
//!
//! | Generation | Files | Read by |
//! |---|---|---|
//! | until 3.0.3, 3.1.0 to 3.2.3 | `queue.db`, `queues/queue-<hex>.db` | [`item`] |
//! | 3.2.4 to 3.2.6 | also `event_journal/journal-<token>.db`, `delivery/ledger.db` | [`item`] |
//! | 3.2.7 | `projects/<uuid>/sync/sync.db` | [`item`] |
//!
//! The files are copied and never written ([`source`]); every row gets a fate ([`mod@decide`]); rows become
//! records of their project's inbox ([`import`]) or are kept whole with a reason ([`kept`]). Rows that
//! were read are imported, duplicates, delivered, held or quarantined: nothing is left over.

pub mod body;
pub mod decide;
pub mod event;
pub mod import;
pub mod item;
pub mod kept;
mod plan;
mod report;
pub mod row;
pub mod source;

use decide::{Decisions, Fate, decide, rank};
use import::{ImportError, ProjectQueue, TakenBack};
use item::{items, refused_project, tables};
use kept::{KeptRow, name_of};
use kitty_config::FileMap;
use kitty_runtime::consent::Consent;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::legacy_files::{LegacyFile, LegacyKind, TakenOver, legacy_files, misnamed};
use kitty_runtime::lock::{FileLock, LockError};
use kitty_runtime::owner::Scope;
use kitty_runtime::time::SharedTime;
use plan::Plan;
pub use report::{Counts, ProjectCounts, QueueReport, SourceReport};
use source::{Source, SourceError};
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long another `upgrade` may take.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// The queues cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A queue file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A project's queue.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Another process upgrades.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system refused.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// What a take-over works with.
#[derive(Debug, Clone)]
pub struct QueuePorts {
    /// The file system of the state root.
    pub filesystem: SharedFilesystem,
    /// Where files lie.
    pub map: FileMap,
    /// The clock.
    pub time: SharedTime,
}

impl QueuePorts {
    fn io(&self, source: io::Error) -> QueueError {
        QueueError::Io {
            path: self.map.migration().directory().to_owned(),
            source,
        }
    }

    fn queue(&self, project: &str) -> ProjectQueue<'_> {
        let scope = Scope {
            paths: self.map.project_scope(project),
            name: project.to_owned(),
        };
        ProjectQueue::new(&self.filesystem, scope)
    }

    /// Tells what a take-over would do; creates and writes nothing below the state root.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn survey(&self, decisions: &Decisions) -> Result<QueueReport, QueueError> {
        Ok(self.plan(decisions)?.report)
    }

    /// Takes every queue over; what it says is durable when it returns.
    ///
    /// # Errors
    /// [`QueueError`]; a second call goes on where this one ended.
    pub fn take_over(&self, decisions: &Decisions) -> Result<QueueReport, QueueError> {
        let files = legacy_files(&*self.filesystem, &self.map).map_err(|error| self.io(error))?;
        if files.is_empty() {
            return Ok(QueueReport::default());
        }
        let lock = self.lock()?;
        for project in self.projects()? {
            self.queue(&project).finish_undo()?;
        }
        let mut plan = self.plan(decisions)?;
        self.keep_apart(&plan).map_err(|error| self.io(error))?;
        self.keep_refusals(&plan).map_err(|error| self.io(error))?;
        self.import(&mut plan)?;
        for (source, report) in plan.sources.iter().zip(&mut plan.report.sources) {
            source.verify()?;
            report.unchanged = true;
        }
        self.record(&plan).map_err(|error| self.io(error))?;
        drop(lock);
        Ok(plan.report)
    }

    /// Takes back what was imported and was not handed to delivery.
    ///
    /// # Errors
    /// [`QueueError`]; a second call goes on where this one ended.
    pub fn roll_back(&self) -> Result<TakenBack, QueueError> {
        let mut total = TakenBack::default();
        let migration = self.map.migration();
        if !migration.directory().is_dir() {
            return Ok(total);
        }
        let _lock = self.lock()?;
        for project in self.projects()? {
            if !self.map.project_scope(&project).migrated_rows().is_file() {
                continue;
            }
            let done = self.queue(&project).take_back(&self.time)?;
            total.taken_back += done.taken_back;
            total.kept += done.kept;
        }
        // The sources wait again; what is kept apart stays, it may be the only copy by now.
        crashsafe::remove(&*self.filesystem, &migration.sources())
            .map_err(|error| self.io(error))?;
        Ok(total)
    }

    /// Reads what is quarantined.
    ///
    /// # Errors
    /// [`QueueError::Io`].
    pub fn quarantined(&self) -> Result<Vec<KeptRow>, QueueError> {
        kept::read(&*self.filesystem, &self.map.migration().quarantine())
            .map_err(|error| self.io(error))
    }

    fn lock(&self) -> Result<FileLock, QueueError> {
        let migration = self.map.migration();
        crashsafe::create_dir_all(&*self.filesystem, migration.directory())
            .map_err(|error| self.io(error))?;
        Ok(FileLock::acquire(
            "the upgrade of this state root",
            &migration.lock(),
            LOCK_LIMIT,
        )?)
    }

    fn projects(&self) -> Result<Vec<String>, QueueError> {
        match self.filesystem.list(&self.map.projects()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(|error| self.io(error)),
        }
    }

    fn plan(&self, decisions: &Decisions) -> Result<Plan, QueueError> {
        let filesystem = &*self.filesystem;
        let mut files = legacy_files(filesystem, &self.map).map_err(|error| self.io(error))?;
        files.sort_by_key(|file| (rank(file.kind), file.name.clone()));
        let mut report = QueueReport {
            misnamed: misnamed(filesystem, &self.map).map_err(|error| self.io(error))?,
            ..QueueReport::default()
        };
        let delivered = self.answered(&files, &mut report);
        let (mut sources, mut all) = (Vec::new(), Vec::new());
        for file in &files {
            match Source::read(file, tables(file.kind)) {
                Ok(source) => {
                    all.extend(items(sources.len(), &source, &delivered));
                    sources.push(source);
                }
                Err(error @ SourceError::Damaged { .. }) => {
                    report
                        .unreadable
                        .insert(file.name.clone(), error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let fates = decide(&all, decisions);
        let mut plan = Plan {
            report,
            sources,
            items: all,
            fates,
        };
        plan.count();
        Ok(plan)
    }

    /// Reads which events of the journals of 3.2.4 to 3.2.6 a server took.
    fn answered(&self, files: &[LegacyFile], report: &mut QueueReport) -> HashSet<String> {
        let path = self.map.legacy_delivery_ledger();
        let has_journals = files.iter().any(|file| file.kind == LegacyKind::Journal);
        if !has_journals || !path.is_file() {
            return HashSet::new();
        }
        let file = LegacyFile {
            kind: LegacyKind::Journal,
            name: "delivery/ledger.db".to_owned(),
            path,
        };
        match Source::read(&file, &["delivery_ledger"]) {
            Ok(source) => {
                let rows = source.rows.iter();
                rows.filter(|row| {
                    let status = row.get("status").text();
                    matches!(status, Some("success" | "duplicate"))
                })
                .filter_map(|row| row.get("event_id").text().map(str::to_owned))
                .collect()
            }
            Err(error) => {
                // Then they are sent again, which the server's deduplication absorbs.
                report.unreadable.insert(file.name, error.to_string());
                HashSet::new()
            }
        }
    }

    /// Stores what is not delivered, before anything else: nothing may be between two places.
    fn keep_apart(&self, plan: &Plan) -> io::Result<()> {
        let (mut seen, mut quarantine, mut held) = (HashSet::new(), Vec::new(), Vec::new());
        for (item, fate) in plan.items.iter().zip(&plan.fates) {
            let source = plan.sources[item.source].file.name.as_str();
            seen.insert(name_of(source, &item.row));
            match fate {
                Fate::Quarantine(refusal) => quarantine.push(KeptRow::of(
                    source,
                    &item.row,
                    refusal.reason,
                    &refusal.detail,
                )),
                Fate::Held(whom) => held.push(KeptRow::of(source, &item.row, whom, "")),
                _ => {}
            }
        }
        let migration = self.map.migration();
        let filesystem = &*self.filesystem;
        kept::store(filesystem, &migration.quarantine(), quarantine, &seen)?;
        // What is adopted leaves this file, so it is written before it is imported: a row that a
        // killed process left in neither place is still in its source.
        kept::store(filesystem, &migration.held(), held, &seen)
    }

    /// A project that had opted out stays opted out.
    fn keep_refusals(&self, plan: &Plan) -> io::Result<()> {
        for project in plan.sources.iter().filter_map(refused_project) {
            let paths = self.map.project_scope(&project.to_string());
            if !paths.consent().exists() {
                Consent::Refused.decide(&*self.filesystem, &self.time, &paths)?;
            }
        }
        Ok(())
    }

    fn import(&self, plan: &mut Plan) -> Result<(), QueueError> {
        for (project, records) in plan.records() {
            let name = project.to_string();
            let added = self.queue(&name).import(&records)?;
            plan.report.projects.entry(name).or_default().added = added;
        }
        Ok(())
    }

    fn record(&self, plan: &Plan) -> io::Result<()> {
        let migration = self.map.migration();
        let filesystem = &*self.filesystem;
        let text = serde_json::to_vec(&plan.report)?;
        crashsafe::replace(
            filesystem,
            &migration.manifest(),
            &text,
            Durability::PowerCut,
        )?;
        let mut taken = TakenOver::read(filesystem, &self.map);
        for source in &plan.sources {
            taken.insert(&source.file, source.stamp);
        }
        taken.write(filesystem, &self.map)
    }
}
