//! What `upgrade` answers: the documents of 3.2.7 with ours beside them, and lines for people.

use crate::invocation::VERSION;
use crate::printer::Printer;
use kitty_migration::project::{Problem, ProjectPlan};
use kitty_migration::queue::QueueReport;
use kitty_migration::queue::import::TakenBack;
use kitty_migration::rewrite::Restored;
use kitty_missions::project::Project;
use kitty_missions::schema::{SCHEMA_VERSION, check};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What was done in a project, or would be.
#[derive(Debug, Default)]
pub struct ProjectPart {
    /// Files and problems.
    pub plan: ProjectPlan,
    /// Where the manifest lies.
    pub manifest: PathBuf,
    /// The paths that were committed.
    pub committed: Vec<String>,
    /// The id of the checkout.
    pub build_id: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Everything that was found.
#[derive(Debug)]
pub struct Found<'a> {
    /// The project, if the command was started in one.
    pub project: Option<&'a Project>,
    /// What was done in it.
    pub part: Option<ProjectPart>,
    /// The queues, if there are any.
    pub queues: Option<QueueReport>,
}

impl Found<'_> {
    /// Tells whether nothing was left alone that needs an upgrade.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let problems = self
            .part
            .as_ref()
            .map_or(0, |part| part.plan.problems.len());
        let unreadable = self.queues.as_ref().map_or(0, |it| it.unreadable.len());
        problems + unreadable == 0
    }

    fn problems(&self) -> &[Problem] {
        self.part
            .as_ref()
            .map_or(&[], |part| part.plan.problems.as_slice())
    }

    fn errors(&self) -> Vec<String> {
        let files = self.problems().iter();
        let mut errors: Vec<String> = files
            .map(|problem| format!("{}: {}", problem.path, problem.reason))
            .collect();
        if let Some(queues) = &self.queues {
            errors.extend(queues.unreadable.values().cloned());
        }
        errors
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self
            .part
            .as_ref()
            .map_or_else(Vec::new, |part| part.warnings.clone());
        for (owner, rows) in self.queues.iter().flat_map(|queues| &queues.held) {
            warnings.push(format!(
                "{rows} row(s) of {owner} are held: log in as their account and run `spec-kitty upgrade` again, \
                 or take them over with `spec-kitty upgrade --adopt {owner}`"
            ));
        }
        warnings
    }

    /// Every kind of migration that has something to do, as 3.2.7 lists them.
    fn migrations(&self, status: &str) -> Vec<Value> {
        let mut all = Vec::new();
        if let Some(part) = self.part.as_ref().filter(|it| !it.plan.changes.is_empty()) {
            let files: Vec<&str> = part
                .plan
                .changes
                .iter()
                .map(|it| it.path.as_str())
                .collect();
            all.push(migration(
                "mission_identity",
                "Files of this project in the names of today",
                status,
                files,
            ));
        }
        if let Some(queues) = self.queues.as_ref().filter(|it| it.total.rows > 0) {
            let files = queues.sources.iter().map(|it| it.source.as_str()).collect();
            all.push(migration(
                "queue_take_over",
                "Rows of the queues of earlier releases",
                status,
                files,
            ));
        }
        all
    }

    /// Files and counts, beside what 3.2.7 prints.
    fn details(&self) -> (Value, Value) {
        let project = self.part.as_ref().map(|part| {
            let files = part.plan.changes.iter();
            let files: Vec<Value> = files
                .map(|change| json!({"path": change.path, "actions": change.actions}))
                .collect();
            json!({
                "files": files,
                "problems": part.plan.problems,
                "manifest": part.manifest.display().to_string(),
                "build_id": part.build_id,
            })
        });
        (json!(project), json!(self.queues))
    }
}

fn migration(id: &str, description: &str, status: &str, files: Vec<&str>) -> Value {
    json!({
        "id": id,
        "migration_id": id,
        "description": description,
        "target_version": VERSION,
        "target_schema_version": SCHEMA_VERSION,
        "files_modified": files,
        "status": status,
        "manual_review_required": false,
        "preserved_paths": [],
    })
}

/// The document of a run that changed things.
pub fn upgraded(found: &Found<'_>) -> Value {
    let migrations = found.migrations("applied");
    let success = found.is_complete();
    let status = match (success, migrations.is_empty()) {
        (false, _) => "failed",
        (true, true) => "up_to_date",
        (true, false) => "success",
    };
    let applied: Vec<Value> = migrations.iter().map(|it| it["id"].clone()).collect();
    let committed = found.part.as_ref().map_or(&[][..], |part| &part.committed);
    let (project, queues) = found.details();
    json!({
        "status": status,
        "current_version": VERSION,
        "target_version": VERSION,
        "dry_run": false,
        "migrations": migrations,
        "migrations_applied": applied,
        "migrations_skipped": [],
        "success": success,
        "errors": found.errors(),
        "warnings": found.warnings(),
        "auto_committed": !committed.is_empty(),
        "auto_commit_paths": committed,
        "project": project,
        "queues": queues,
    })
}

/// The document of `--dry-run`.
pub fn dry_run(found: &Found<'_>) -> Value {
    let pending = found.migrations("pending");
    let schema = found.project.map(|project| check(&project.root).is_ok());
    let blocked = schema == Some(false);
    let (details, queues) = found.details();
    let project = json!({
        "state": if blocked { "stale" } else if schema.is_some() { "compatible" } else { "no_project" },
        "project_root": found.project.map(|project| project.root.display().to_string()),
        "schema_version": schema.map(|fits| if fits { json!(SCHEMA_VERSION) } else { Value::Null }),
        "min_supported": SCHEMA_VERSION,
        "max_supported": SCHEMA_VERSION,
        "metadata_error": Value::Null,
        "details": details,
    });
    json!({
        "schema_version": 1,
        "case": if pending.is_empty() { "none" } else { "project_migration_needed" },
        "decision": if pending.is_empty() { "ALLOW" } else { "BLOCK_PROJECT_MIGRATION" },
        "exit_code": if pending.is_empty() { 0 } else { 4 },
        "cli": {
            "installed_version": VERSION,
            "latest_version": Value::Null,
            "latest_source": "none",
            "is_outdated": false,
            "fetched_at": Value::Null,
        },
        "project": project,
        "safety": "unsafe",
        "install_method": "binary",
        "upgrade_hint": {"install_method": "binary", "command": Value::Null, "note": Value::Null},
        "pending_migrations": pending,
        "rendered_human": "",
        "errors": found.errors(),
        "warnings": found.warnings(),
        "queues": queues,
    })
}

/// The document of `--rollback`.
pub fn rolled_back(restored: &Restored, rows: &TakenBack) -> Value {
    json!({
        "status": if restored.changed_since.is_empty() { "rolled_back" } else { "failed" },
        "success": restored.changed_since.is_empty(),
        "restored": restored.restored,
        "changed_since": restored.changed_since,
        "rows_taken_back": rows.taken_back,
        "rows_already_handed_to_delivery": rows.kept,
    })
}

/// Says what was found and done.
pub fn print(printer: Printer, found: &Found<'_>, dry_run: bool) {
    let would = if dry_run { "would be " } else { "" };
    if let Some(part) = &found.part {
        for change in &part.plan.changes {
            let actions = change.actions.join(", ");
            printer.line(format!("✓ {} {would}rewritten: {actions}", change.path));
        }
        if !part.plan.changes.is_empty() && !dry_run {
            printer.line(format!(
                "  Originals are kept; {}",
                "`spec-kitty upgrade --rollback` puts them back."
            ));
        }
        if !part.committed.is_empty() {
            printer.line(format!("  Committed: {} file(s).", part.committed.len()));
        }
    }
    if let Some(queues) = &found.queues {
        let all = queues.total;
        printer.line(format!(
            "✓ {} row(s) in {} queue(s): {} {would}imported, {} duplicate, {} delivered before, {} held, {} quarantined, {} unaccounted",
            all.rows,
            queues.sources.len(),
            all.imported,
            all.duplicates,
            all.delivered,
            all.held,
            all.quarantined,
            all.unaccounted
        ));
        for (reason, rows) in &queues.quarantine {
            printer.line(format!("    {rows:>6}  {reason}"));
        }
        if all.quarantined > 0 {
            printer.line("  `spec-kitty upgrade --export-quarantine FILE` writes the quarantined rows into a file.");
        }
    }
    for warning in found.warnings() {
        printer.line(format!(" ! {warning}."));
    }
    for error in found.errors() {
        printer.error(format!("Error: {error}"));
    }
    if found.migrations("").is_empty() && found.is_complete() {
        printer.line("✓ Up to date: nothing of an earlier release is left to take over.");
    }
}

/// Says what was taken back.
pub fn print_rollback(printer: Printer, restored: &Restored, rows: &TakenBack) {
    for path in &restored.restored {
        printer.line(format!("✓ {path} is as it was before the upgrade"));
    }
    for path in &restored.changed_since {
        printer.error(format!(
            "Error: {path} was changed since the upgrade and is left alone; take the change back first"
        ));
    }
    printer.line(format!(
        "✓ {} row(s) taken back, {} were handed to delivery before and stay; the legacy queues were never changed.",
        rows.taken_back, rows.kept
    ));
}
