//! The queues of four earlier generations, read and taken over (document 4, FR-014 and FR-020).
//!
//! | Generation | Files | Read by |
//! |---|---|---|
//! | until 3.0.3, 3.1.0 to 3.2.3 | `queue.db`, `queues/queue-<hex>.db` | [`item`] |
//! | 3.2.4 to 3.2.6 | also `event_journal/journal-<token>.db`, `delivery/ledger.db` | [`item`] |
//! | 3.2.7 | `projects/<uuid>/sync/sync.db` | [`item`] |
//!
//! The files are copied and never written ([`source`]); every row gets a fate ([`decide`]); rows become
//! records of their project's inbox ([`import`]) or are kept whole with a reason ([`kept`]). Rows that
//! were read are imported, duplicates, delivered, held or quarantined: nothing is left over.

pub mod body;
pub mod decide;
pub mod event;
pub mod import;
pub mod item;
pub mod kept;
pub mod row;
pub mod source;

use decide::{Decisions, Fate, decide, rank};
use import::{ImportError, NewRecord, ProjectQueue, TakenBack};
use item::{Content, Item, items, refused_project, tables};
use kept::{KeptRow, name_of};
use kitty_config::FileMap;
use kitty_runtime::consent::Consent;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::legacy_files::{LegacyFile, LegacyKind, TakenOver, legacy_files, misnamed};
use kitty_runtime::lock::{FileLock, LockError};
use kitty_runtime::owner::Scope;
use kitty_runtime::time::SharedTime;
use serde::Serialize;
use source::{FileHash, Source, SourceError};
use std::collections::{BTreeMap, HashSet};
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

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows that were read.
    pub rows: usize,
    /// Rows that are records of a project's queue now, by this run or an earlier one.
    pub imported: usize,
    /// Rows that say what another row says.
    pub duplicates: usize,
    /// Rows that a server has.
    pub delivered: usize,
    /// Rows that are kept apart for somebody else.
    pub held: usize,
    /// Rows that cannot be delivered.
    pub quarantined: usize,
    /// Rows of which none of this can be said; always 0.
    pub unaccounted: usize,
}

/// A queue file and what became of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// The file, below the state root.
    pub source: String,
    /// Which release wrote it.
    pub kind: LegacyKind,
    /// What became of its rows.
    pub counts: Counts,
    /// Its files before.
    pub files: Vec<FileHash>,
    /// Whether they are the same now.
    pub unchanged: bool,
    /// Lines of a log of failed uploads, which are no tasks and stay there.
    pub failure_log: usize,
}

/// What a project got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProjectCounts {
    /// Events.
    pub events: usize,
    /// Bodies.
    pub bodies: usize,
    /// Of both, how many this run appended.
    pub added: usize,
}

/// The accounts of a take-over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueReport {
    /// Every queue file.
    pub sources: Vec<SourceReport>,
    /// Files that cannot be read, with the reason; their rows are not counted.
    pub unreadable: BTreeMap<String, String>,
    /// Files whose name no release gave to a queue.
    pub misnamed: Vec<String>,
    /// All sources together.
    pub total: Counts,
    /// What each project got.
    pub projects: BTreeMap<String, ProjectCounts>,
    /// Quarantined rows by reason.
    pub quarantine: BTreeMap<String, usize>,
    /// Held rows by whose they are.
    pub held: BTreeMap<String, usize>,
}

/// Everything that was read and decided; nothing is written yet.
struct Plan {
    report: QueueReport,
    sources: Vec<Source>,
    items: Vec<Item>,
    fates: Vec<Fate>,
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

impl Plan {
    /// The records of every project, oldest release first and in the order of their files.
    fn records(&self) -> BTreeMap<ProjectUuid, Vec<NewRecord>> {
        let mut chosen: Vec<usize> = (0..self.items.len())
            .filter(|index| matches!(self.fates[*index], Fate::Import(..)))
            .collect();
        chosen.sort_by_key(|index| {
            let item = &self.items[*index];
            let file = &self.sources[item.source].file;
            let is_body = matches!(item.content, Content::Body(_));
            (
                std::cmp::Reverse(rank(file.kind)),
                file.name.clone(),
                is_body,
                item.order,
            )
        });
        let mut records: BTreeMap<ProjectUuid, Vec<NewRecord>> = BTreeMap::new();
        for index in chosen {
            let item = &self.items[index];
            let source = &self.sources[item.source].file.name;
            if let Fate::Import(project, scope) = &self.fates[index] {
                let record = NewRecord::of(item, source, *scope);
                records.entry(*project).or_default().extend(record);
            }
        }
        records
    }

    fn count(&mut self) {
        let mut counts = vec![Counts::default(); self.sources.len()];
        for (item, fate) in self.items.iter().zip(&self.fates) {
            let count = &mut counts[item.source];
            count.rows += 1;
            match fate {
                Fate::Import(project, _) => {
                    count.imported += 1;
                    let project = self.report.projects.entry(project.to_string()).or_default();
                    match item.content {
                        Content::Event(_) => project.events += 1,
                        Content::Body(_) => project.bodies += 1,
                    }
                }
                Fate::Duplicate => count.duplicates += 1,
                Fate::Delivered => count.delivered += 1,
                Fate::Held(whom) => {
                    count.held += 1;
                    *self.report.held.entry(whom.clone()).or_default() += 1;
                }
                Fate::Quarantine(refusal) => {
                    count.quarantined += 1;
                    let reason = refusal.reason.to_owned();
                    *self.report.quarantine.entry(reason).or_default() += 1;
                }
            }
        }
        for (source, counts) in self.sources.iter().zip(counts) {
            let failure_log = source
                .rows
                .iter()
                .filter(|row| row.table == "body_upload_failure_log");
            let tasks = source.rows.iter().filter(|row| {
                matches!(
                    row.table,
                    "queue"
                        | "body_upload_queue"
                        | "event_journal"
                        | "journal_entries"
                        | "body_upload_tasks"
                )
            });
            let counts = counts.closed(tasks.count());
            self.report.total = self.report.total.plus(counts);
            self.report.sources.push(SourceReport {
                source: source.file.name.clone(),
                kind: source.file.kind,
                counts,
                files: source.files.clone(),
                unchanged: source.verify().is_ok(),
                failure_log: failure_log.count(),
            });
        }
    }
}

impl Counts {
    /// Compares what was read with what became of it.
    fn closed(self, read: usize) -> Self {
        let known = self.imported + self.duplicates + self.delivered + self.held + self.quarantined;
        Self {
            rows: read,
            unaccounted: read.abs_diff(known),
            ..self
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            imported: self.imported + other.imported,
            duplicates: self.duplicates + other.duplicates,
            delivered: self.delivered + other.delivered,
            held: self.held + other.held,
            quarantined: self.quarantined + other.quarantined,
            unaccounted: self.unaccounted + other.unaccounted,
        }
    }
}
