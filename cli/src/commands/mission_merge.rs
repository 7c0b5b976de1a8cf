//! `merge`: the lanes of a mission into its target branch, and the mission closed.

use super::mission_accept::named;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::merge_step;
use crate::mission_desk::{CallError, MissionCall};
use clap::Args;
use kitty_missions::integration::{CleanUp, Strategy};
use kitty_missions::workflow::{Integrated, MergeReady, WorkflowError, prepare_merge};
use serde_json::json;
use std::cell::Cell;

/// Arguments of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// How: merge, squash or rebase
    #[arg(long, default_value = "squash")]
    strategy: String,
    /// Another branch than the mission's own
    #[arg(long)]
    target: Option<String>,
    /// Pushes the branch afterwards
    #[arg(long)]
    push: bool,
    /// Checks everything and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Keeps the branches of the mission
    #[arg(long, overrides_with = "delete_branch")]
    keep_branch: bool,
    /// Deletes the branches of the mission
    #[arg(long)]
    delete_branch: bool,
    /// Keeps the worktrees of the lanes
    #[arg(long, overrides_with = "remove_worktree")]
    keep_worktree: bool,
    /// Removes the worktrees of the lanes
    #[arg(long)]
    remove_worktree: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command; a merge that ended half-way is finished by the next call.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, args: &MergeArgs) -> Result<Exit, Failure> {
    let call = MissionCall::begin(invocation)?;
    Ok(call.end(args.json, merge(&call, args)))
}

fn merge(call: &MissionCall<'_>, args: &MergeArgs) -> Result<Exit, CallError> {
    let unknown = |error: kitty_missions::integration::UnknownStrategy| error.to_string();
    let strategy: Strategy = args
        .strategy
        .parse()
        .map_err(|error| CallError::Input(unknown(error)))?;
    let slug = call.mission(args.mission.as_deref())?.slug;
    let desk = call.desk();
    let ready = prepare_merge(&desk, &slug, args.target.as_deref(), strategy).map_err(named)?;
    if args.dry_run {
        tell_plan(call, args, &ready, strategy);
        return Ok(Exit::Success);
    }
    let (integrated, writer) = ready.integrate(&desk)?;
    let integrated = integrated.retaining(
        chosen(args.keep_worktree, args.remove_worktree),
        chosen(args.keep_branch, args.delete_branch),
    );
    let finished = |ended: &Cell<Exit>| ended.set(finish(call, args, &integrated, strategy));
    let ended = Cell::new(Exit::Failed);
    merge_step::conclude(call.invocation, desk, (&integrated, writer), || {
        finished(&ended);
    })?;
    Ok(ended.get())
}

/// What two opposite flags say; `None` leaves it to `meta.json`.
const fn chosen(keep: bool, remove: bool) -> Option<bool> {
    match (keep, remove) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// Pushes and cleans up, then answers.
fn finish(
    call: &MissionCall<'_>,
    args: &MergeArgs,
    merged: &Integrated,
    strategy: Strategy,
) -> Exit {
    match merged.finish(args.push) {
        Ok(clean_up) => {
            tell(call, args, merged, strategy, &clean_up);
            Exit::Success
        }
        Err(error) => call.refuse(args.json, &half_way(error, merged)),
    }
}

fn half_way(error: WorkflowError, merged: &Integrated) -> CallError {
    CallError::Input(format!(
        "{error}\nThe mission is in '{}' already; the same command does the rest.",
        merged.target
    ))
}

fn tell(
    call: &MissionCall<'_>,
    args: &MergeArgs,
    merged: &Integrated,
    strategy: Strategy,
    clean_up: &CleanUp,
) {
    let printer = call.invocation.printer;
    merge_step::name_what_stays(printer, merged, clean_up);
    let slug = &merged.mission.slug;
    if args.json {
        let worktrees = clean_up.removed_worktrees.iter();
        let worktrees: Vec<String> = worktrees.map(|path| path.display().to_string()).collect();
        let document = json!({
            "result": "success",
            "mission_slug": slug,
            "mission_number": merged.number,
            "merged": true,
            "target_branch": merged.target,
            "strategy": strategy.as_str(),
            "merged_wps": merged.merged,
            "pushed": args.push,
            "removed_worktrees": worktrees,
            "deleted_branches": clean_up.deleted_branches,
        });
        printer.json().finish(&document);
        return;
    }
    let (number, target, count) = (merged.number, &merged.target, merged.merged.len());
    printer.line(format!(
        "✓ Merged {slug} into {target} ({strategy}): {count} work package(s), mission {number}"
    ));
}

fn tell_plan(call: &MissionCall<'_>, args: &MergeArgs, ready: &MergeReady, strategy: Strategy) {
    let printer = call.invocation.printer;
    let (slug, packages) = (&ready.mission.slug, ready.packages());
    if args.json {
        let document = json!({
            "result": "success",
            "dry_run": true,
            "mission_slug": slug,
            "target_branch": ready.target,
            "strategy": strategy.as_str(),
            "merged_wps": packages,
            "already_integrated": ready.is_integrated(),
        });
        printer.json().finish(&document);
        return;
    }
    printer.line(format!(
        "Would merge {slug} into {} ({strategy}): {}",
        ready.target,
        packages.join(", ")
    ));
}
