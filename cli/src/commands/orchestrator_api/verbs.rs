//! What each verb answers.

use super::command::{
    AcceptMissionArgs, ActorArgs, AppendHistoryArgs, MissionArgs, StartReviewArgs, TransitionArgs,
    Verb, WorkPackageArgs,
};
use super::data::{self, Data};
use super::envelope::Refusal;
use super::refusals::{self, Told};
use super::review_input;
use super::{Answering, contract_version, merge};
use kitty_missions::lane::Lane;
use kitty_missions::policy::Policy;
use kitty_missions::workflow::{self, TransitionRequest, WorkflowError};
use uuid::Uuid;

/// Lanes that only an orchestrator with a policy may move to.
const WITH_POLICY: [Lane; 5] = [
    Lane::Claimed,
    Lane::InProgress,
    Lane::ForReview,
    Lane::InReview,
    Lane::Approved,
];

/// Answers one call: prints its envelope, or says why not.
///
/// # Errors
/// [`Refusal`]; then nothing was printed.
pub fn answer(call: &Answering<'_>, verb: &Verb) -> Result<(), Refusal> {
    match verb {
        Verb::ContractVersion(args) => {
            call.print_unchecked(&contract_version::answer(args)?);
            Ok(())
        }
        Verb::MissionState(args) => mission_state(call, args),
        Verb::ListReady(args) => list_ready(call, args),
        Verb::ResolveWorkspace(args) => resolve_workspace(call, args),
        Verb::StartImplementation(args) => start_implementation(call, args),
        Verb::StartReview(args) => start_review(call, args),
        Verb::Transition(args) => transition(call, args),
        Verb::AppendHistory(args) => append_history(call, args),
        Verb::AcceptMission(args) => accept_mission(call, args),
        Verb::MergeMission(args) => merge::answer(call, args),
    }
}

fn mission_state(call: &Answering<'_>, args: &MissionArgs) -> Result<(), Refusal> {
    optional_policy(args)?;
    let state = call.desk(|desk| workflow::mission_state(desk, &args.mission))?;
    call.print(&data::state(&state))
}

fn list_ready(call: &Answering<'_>, args: &MissionArgs) -> Result<(), Refusal> {
    optional_policy(args)?;
    let (mission, ready) = call.desk(|desk| workflow::list_ready(desk, &args.mission))?;
    call.print(&data::ready(&mission, &ready))
}

fn resolve_workspace(call: &Answering<'_>, args: &WorkPackageArgs) -> Result<(), Refusal> {
    optional_policy(&args.of)?;
    let (mission, prompt, place) = call.desk(|desk| {
        let mission = desk.mission(&args.of.mission)?;
        let prompt = desk.package(&mission, &args.of.mission, &args.wp)?;
        let place = workflow::place_of(desk, &mission, &args.wp)?;
        Ok((mission, prompt, place))
    })?;
    call.print(&data::workspace(&mission, &args.wp, &prompt, &place))
}

fn start_implementation(call: &Answering<'_>, args: &ActorArgs) -> Result<(), Refusal> {
    let policy = required_policy(
        &args.package.of,
        "--policy is required for start-implementation",
    )?;
    let (typed, wp_id) = (args.package.of.mission.as_str(), args.package.wp.as_str());
    let told = Told::about(typed, wp_id);
    let started = call.desk_for(&told, |desk| {
        workflow::start_implementation(desk, (typed, wp_id), &args.actor, &policy)
    })?;
    let answer = data::started_implementation(&started, wp_id);
    call.perform(started.mission, started.writer, started.step, &answer)
}

fn start_review(call: &Answering<'_>, args: &StartReviewArgs) -> Result<(), Refusal> {
    let package = &args.by.package;
    let policy = required_policy(&package.of, "--policy is required for start-review")?;
    let (typed, wp_id) = (package.of.mission.as_str(), package.wp.as_str());
    let told = Told::about(typed, wp_id);
    let started = call.desk_for(&told, |desk| {
        let review_ref = args.review_ref.as_deref();
        workflow::start_review(desk, (typed, wp_id), &args.by.actor, review_ref, &policy)
    })?;
    let answer = data::started_review(&started, wp_id);
    call.perform(started.mission, started.writer, started.step, &answer)
}

fn transition(call: &Answering<'_>, args: &TransitionArgs) -> Result<(), Refusal> {
    let package = &args.by.package;
    let to = Lane::from_typed(&args.to).map_err(|_| {
        let typed = args.to.trim().to_lowercase();
        refusals::of(&WorkflowError::UnknownLane { typed }, None)
    })?;
    let policy = if WITH_POLICY.contains(&to) {
        let message = format!("--policy is required when transitioning to '{to}'");
        Some(required_policy(&package.of, &message)?)
    } else {
        optional_policy(&package.of)?
    };
    let evidence_object = review_input::evidence_object(args.evidence_json.as_deref())?;
    let review_result = review_input::review_result(args.review_result_json.as_deref())?;
    let (typed, wp_id) = (package.of.mission.as_str(), package.wp.as_str());
    let told = Told::about(typed, wp_id);
    // The mission and the work package are looked for before the evidence is understood.
    call.desk_for(&told, |desk| {
        let mission = desk.mission(typed)?;
        desk.package(&mission, typed, wp_id).map(drop)
    })?;
    let evidence = review_input::evidence(evidence_object.as_ref())?;
    let asked = TransitionRequest {
        to,
        actor: &args.by.actor,
        note: args.note.as_deref(),
        force: args.force,
        review_ref: args.review_ref.as_deref(),
        review_result: review_result.as_ref(),
        evidence: evidence.as_ref(),
        subtasks_complete: args.subtasks_complete,
        policy: policy.as_ref(),
    };
    let moved = call.desk_for(&told, |desk| {
        workflow::transition(desk, (typed, wp_id), &asked)
    })?;
    let data = Data::about(&moved.mission)
        .with("wp_id", &wp_id)
        .with("from_lane", &moved.from.as_str())
        .with("to_lane", &moved.to.as_str())
        .with("policy_metadata_recorded", &policy.is_some());
    call.perform(moved.mission, moved.writer, Some(moved.step), &data)
}

fn append_history(call: &Answering<'_>, args: &AppendHistoryArgs) -> Result<(), Refusal> {
    let package = &args.by.package;
    optional_policy(&package.of)?;
    let (typed, wp_id) = (package.of.mission.as_str(), package.wp.as_str());
    let told = Told::about(typed, wp_id);
    let entry = call
        .desk_for(&told, |desk| {
            workflow::append_history(desk, (typed, wp_id), &args.by.actor, &args.note)
        })
        .map_err(refusals::of_history)?;
    // The id is stored nowhere; orchestrators print it.
    let entry_id = format!("hist-{}", Uuid::new_v4().simple());
    let data = Data::about(&entry.mission)
        .with("wp_id", &wp_id)
        .with("history_entry_id", &entry_id);
    call.perform(entry.mission, entry.writer, Some(entry.step), &data)
}

fn accept_mission(call: &Answering<'_>, args: &AcceptMissionArgs) -> Result<(), Refusal> {
    optional_policy(&args.of)?;
    let told = Told::about_mission(&args.of.mission);
    let acceptance = call.desk_for(&told, |desk| {
        workflow::accept(desk, &args.of.mission, &args.actor, "orchestrator")
    })?;
    let answer = data::accepted(&acceptance);
    call.perform(
        acceptance.mission,
        acceptance.writer,
        Some(acceptance.step),
        &answer,
    )
}

/// Checks a policy that nobody asked for: it is recorded nowhere, but a bad one is refused.
pub(super) fn optional_policy(args: &MissionArgs) -> Result<Option<Policy>, Refusal> {
    let given = args.policy.as_deref().filter(|text| !text.is_empty());
    given.map(parsed).transpose()
}

fn required_policy(args: &MissionArgs, message: &str) -> Result<Policy, Refusal> {
    match args.policy.as_deref() {
        None | Some("") => Err(Refusal::new("POLICY_METADATA_REQUIRED", message)),
        Some(text) => parsed(text),
    }
}

fn parsed(text: &str) -> Result<Policy, Refusal> {
    Policy::parse(text)
        .map_err(|problem| Refusal::new("POLICY_VALIDATION_FAILED", problem.to_string()))
}
