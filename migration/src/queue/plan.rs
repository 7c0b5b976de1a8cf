//! Everything that was read and decided, before anything is written.

use super::decide::{Fate, rank};
use super::import::NewRecord;
use super::item::{Content, Item};
use super::report::{Counts, QueueReport, SourceReport};
use super::source::Source;
use kitty_runtime::id::ProjectUuid;
use std::collections::BTreeMap;

/// Rows and their fates.
pub(super) struct Plan {
    pub(super) report: QueueReport,
    pub(super) sources: Vec<Source>,
    pub(super) items: Vec<Item>,
    pub(super) fates: Vec<Fate>,
}

impl Plan {
    /// The records of every project, oldest release first and in the order of their files.
    pub(super) fn records(&self) -> BTreeMap<ProjectUuid, Vec<NewRecord>> {
        let mut chosen: Vec<usize> = (0..self.items.len())
            .filter(|index| matches!(self.fates[*index], Fate::Import(..) | Fate::Adopt(..)))
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
            let (project, record) = match &self.fates[index] {
                Fate::Import(project, scope) => (project, NewRecord::of(item, source, *scope)),
                Fate::Adopt(project, scope) => (project, NewRecord::adopted(item, source, *scope)),
                _ => continue,
            };
            records.entry(*project).or_default().extend(record);
        }
        records
    }

    pub(super) fn count(&mut self) {
        let mut counts = vec![Counts::default(); self.sources.len()];
        for (item, fate) in self.items.iter().zip(&self.fates) {
            let count = &mut counts[item.source];
            count.rows += 1;
            match fate {
                Fate::Import(project, _) | Fate::Adopt(project, _) => {
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
