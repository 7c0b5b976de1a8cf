//! `state doctor`, by its other name `doctor state-roots`: where state lies.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_config::{GitClass, Surface, SurfaceRoot, surfaces};
use kitty_missions::git::Checkout;
use kitty_missions::project::Project;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `state doctor`.
#[derive(Debug, Args)]
pub struct StateDoctorArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    healthy: bool,
    roots: Vec<Root>,
    surfaces: Vec<Row>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Root {
    name: &'static str,
    label: &'static str,
    resolved_path: String,
    exists: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    path_pattern: &'static str,
    root: &'static str,
    authority: &'static str,
    git_class: &'static str,
    present: bool,
    gitignore_covered: bool,
    warning: Option<String>,
}

/// Reports every root and surface; reads only. Works outside a project, too.
///
/// # Errors
/// Never; what cannot be read is absent.
pub fn run(invocation: &Invocation, args: &StateDoctorArgs) -> Result<Exit, Failure> {
    let project = project::current(invocation).ok();
    let report = report(invocation, project.as_ref());
    let exit = if report.healthy {
        Exit::Success
    } else {
        Exit::Failed
    };
    if args.json {
        invocation.printer.json().finish_indented(&report);
    } else {
        print(invocation, &report);
    }
    Ok(exit)
}

fn report(invocation: &Invocation, project: Option<&Project>) -> Report {
    let root = |name, label, path: &Path| Root {
        name,
        label,
        resolved_path: path.display().to_string(),
        exists: path.is_dir(),
    };
    let mut roots = Vec::new();
    if let Some(project) = project {
        roots.push(root(
            "project",
            "Project-local state",
            &project.root.join(".kittify"),
        ));
    }
    let state = invocation.map.root();
    roots.push(root("global_runtime", "Global runtime home", state));
    roots.push(root("global_sync", "Global sync/auth home", state));
    let surfaces: Vec<Row> = surfaces(&invocation.map)
        .iter()
        .filter_map(|surface| row(surface, project))
        .collect();
    let warnings: Vec<String> = surfaces
        .iter()
        .filter_map(|row| row.warning.clone())
        .collect();
    Report {
        healthy: warnings.is_empty(),
        roots,
        surfaces,
        warnings,
    }
}

/// Describes a surface; those of a project only where there is one.
fn row(surface: &Surface, project: Option<&Project>) -> Option<Row> {
    let probe: PathBuf = match surface.root {
        SurfaceRoot::Project => project?.root.join(&surface.probe),
        SurfaceRoot::GlobalSync => surface.probe.clone(),
    };
    let present = probe.symlink_metadata().is_ok();
    let checkout: Option<&Checkout> = project.and_then(|project| project.checkout.as_ref());
    let ignored = || checkout.is_none_or(|checkout| checkout.is_ignored(&probe).unwrap_or(false));
    let gitignore_covered = surface.git_class != GitClass::Ignored || !present || ignored();
    let warning = (!gitignore_covered).then(|| {
        format!(
            "{} is present and not ignored by git; add it to .gitignore",
            surface.pattern
        )
    });
    Some(Row {
        name: surface.name,
        path_pattern: surface.pattern,
        root: surface.root.as_str(),
        authority: surface.authority.as_str(),
        git_class: surface.git_class.as_str(),
        present,
        gitignore_covered,
        warning,
    })
}

fn print(invocation: &Invocation, report: &Report) {
    let printer = invocation.printer;
    printer.line("\nState Roots");
    for root in &report.roots {
        let exists = if root.exists { "exists" } else { "absent" };
        printer.line(format!(
            "  {:<20} {}  {exists}",
            root.name, root.resolved_path
        ));
    }
    let tables = [
        (
            "project",
            "Project Surfaces (.kittify/, kitty-specs/)".to_owned(),
        ),
        (
            "global_sync",
            format!("Global Sync ({})", invocation.map.root().display()),
        ),
    ];
    for (root, title) in tables {
        let rows: Vec<&Row> = report
            .surfaces
            .iter()
            .filter(|row| row.root == root)
            .collect();
        if rows.is_empty() {
            continue;
        }
        printer.line(format!("\n{title}"));
        printer.line(format!(
            "  {:<32}{:<18}{:<16}{}",
            "Name", "Authority", "Git Policy", "Present"
        ));
        for row in rows {
            let present = if row.present { "Y" } else { "N" };
            printer.line(format!(
                "  {:<32}{:<18}{:<16}{present}",
                row.name, row.authority, row.git_class
            ));
        }
    }
    printer.line("");
    if report.warnings.is_empty() {
        printer.line("No warnings -- all runtime surfaces are properly covered.");
    }
    for warning in &report.warnings {
        printer.line(format!("Warning: {warning}"));
    }
}
