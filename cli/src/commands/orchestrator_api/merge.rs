//! `merge-mission`: the lanes of a mission into its target branch, and the mission closed.

use super::command::MergeMissionArgs;
use super::data::Data;
use super::envelope::Refusal;
use super::refusals::{self, Told};
use super::verbs::optional_policy;
use super::{Answering, check};
use crate::merge_step;
use kitty_missions::integration::{Strategy, UnknownStrategy};
use kitty_missions::workflow::{Integrated, prepare_merge};

/// Merges and answers.
///
/// The mission counts as merged, and the answer is success, when its commits are in the target branch
/// and its rows are written. What the clean-up leaves is named on stderr.
///
/// # Errors
/// [`Refusal`]; a merge that ended half-way is finished by the next call.
pub fn answer(call: &Answering<'_>, args: &MergeMissionArgs) -> Result<(), Refusal> {
    let strategy: Strategy = args.strategy.parse().map_err(|unknown: UnknownStrategy| {
        let supported: Vec<&str> = Strategy::ALL.iter().map(|known| known.as_str()).collect();
        Refusal::new("UNSUPPORTED_STRATEGY", unknown.to_string())
            .with("strategy", args.strategy.as_str())
            .with("supported", supported)
    })?;
    optional_policy(&args.of)?;
    let told = Told::about_mission(&args.of.mission).merging_into(args.target.as_deref());
    let (integrated, writer) = call.desk_for(&told, |desk| {
        let ready = prepare_merge(desk, &args.of.mission, args.target.as_deref(), strategy)?;
        ready.integrate(desk)
    })?;
    let project = call.project()?;
    let desk = call.desk_of(&project);
    merge_step::conclude(call.invocation, desk, (&integrated, writer), || {
        finish(call, args, &integrated, strategy);
    })
    .map_err(|error| refusals::of_step(&error, call.verb))
}

/// Pushes and cleans up, then prints the envelope: of success, or of what did not work.
fn finish(call: &Answering<'_>, args: &MergeMissionArgs, merged: &Integrated, strategy: Strategy) {
    let told = Told::about_mission(&args.of.mission).merging_into(Some(&merged.target));
    let outcome = match merged.finish(args.push) {
        Ok(clean_up) => {
            merge_step::name_what_stays(call.invocation.printer, merged, &clean_up);
            let data = Data::numbered(&merged.mission, Some(merged.number))
                .with("merged", &true)
                .with("target_branch", &merged.target)
                .with("strategy", &strategy.as_str())
                .with("merged_wps", &merged.merged)
                .with("worktree_removed", &!clean_up.removed_worktrees.is_empty());
            check(&data).map(|()| data)
        }
        Err(error) => Err(call.refuse(&error, &told)),
    };
    match outcome {
        Ok(data) => call.print_unchecked(&data),
        Err(refusal) => call.print_refusal(&refusal),
    }
}
