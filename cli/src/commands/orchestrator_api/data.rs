//! The data of the answers: an object whose keys keep the order of the reference.

use kitty_missions::handle::NamedMission;
use kitty_missions::workflow::{Acceptance, MissionState, Place, ReadyPackage, Started};
use kitty_runtime::python_json;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::path::Path;

/// The data of one answer.
#[derive(Debug)]
pub struct Data(Vec<(&'static str, Box<RawValue>)>);

impl Data {
    /// Begins the data of a verb about a mission: as it is found, not as it was typed.
    #[must_use]
    pub fn about(mission: &NamedMission) -> Self {
        Self::numbered(mission, mission.meta.mission_number)
    }

    /// The same with the number that the mission has got since.
    #[must_use]
    pub fn numbered(mission: &NamedMission, number: Option<u64>) -> Self {
        let kind = mission.meta.mission_type.as_deref().unwrap_or_default();
        Self::empty()
            .with("mission_slug", &mission.slug)
            .with("mission_number", &number)
            .with("mission_type", &kind)
    }

    /// Begins the data of a verb that concerns no mission.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Adds a key; values are printed as the Python CLI prints them.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: &impl Serialize) -> Self {
        let text = python_json::line(value);
        let value = RawValue::from_string(text).expect("what was printed as JSON is JSON");
        self.0.push((key, value));
        self
    }

    /// Adds the keys about a lane; absent, not null, for work packages without one.
    #[must_use]
    fn with_lane(self, place: Option<&Place>) -> Self {
        match place.and_then(|place| place.lane.as_ref()) {
            None => self,
            Some(lane) => self
                .with("lane_id", &lane.lane_id)
                .with("lane_branch", &lane.branch)
                .with("lane_base_ref", &lane.base_ref),
        }
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The identity of a mission, for the data of a refusal.
pub fn identity(mission: &NamedMission) -> [(&'static str, Value); 3] {
    let kind = mission.meta.mission_type.clone().unwrap_or_default();
    [
        ("mission_slug", mission.slug.clone().into()),
        ("mission_number", mission.meta.mission_number.into()),
        ("mission_type", kind.into()),
    ]
}

/// How many work packages are in each lane, in display order.
struct Summary<'a>(&'a MissionState);

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.0.summary.iter();
        serializer.collect_map(counts.map(|(lane, count)| (lane.as_str(), count)))
    }
}

#[derive(Serialize)]
struct PackageData<'a> {
    wp_id: &'a str,
    lane: &'static str,
    dependencies: &'a [String],
    last_actor: Option<&'a str>,
}

#[derive(Serialize)]
struct ReadyData<'a> {
    wp_id: &'a str,
    lane: &'static str,
    dependencies_satisfied: bool,
}

/// `mission-state`.
#[must_use]
pub fn state(state: &MissionState) -> Data {
    let packages = state.packages.iter().map(|package| PackageData {
        wp_id: &package.wp_id,
        lane: package.lane.as_str(),
        dependencies: &package.dependencies,
        last_actor: package.last_actor.as_deref(),
    });
    Data::about(&state.mission)
        .with("summary", &Summary(state))
        .with("work_packages", &packages.collect::<Vec<_>>())
}

/// `list-ready`.
#[must_use]
pub fn ready(mission: &NamedMission, ready: &[ReadyPackage]) -> Data {
    let ready = ready.iter().map(|package| ReadyData {
        wp_id: &package.wp_id,
        lane: package.lane.as_str(),
        dependencies_satisfied: true,
    });
    Data::about(mission).with("ready_work_packages", &ready.collect::<Vec<_>>())
}

/// `resolve-workspace`.
#[must_use]
pub fn workspace(mission: &NamedMission, wp_id: &str, prompt: &Path, place: &Place) -> Data {
    Data::about(mission)
        .with("wp_id", &wp_id)
        .with("workspace_path", &text(&place.path))
        .with("prompt_path", &text(prompt))
        .with_lane(Some(place))
}

/// `start-implementation`.
#[must_use]
pub fn started_implementation(started: &Started, wp_id: &str) -> Data {
    let place = started.place.as_ref();
    Data::about(&started.mission)
        .with("wp_id", &wp_id)
        .with("from_lane", &started.from.as_str())
        .with("to_lane", &"in_progress")
        .with("workspace_path", &place.map(|place| text(&place.path)))
        .with("prompt_path", &text(&started.prompt))
        .with("policy_metadata_recorded", &true)
        .with("no_op", &started.step.is_none())
        .with_lane(place)
}

/// `start-review`.
#[must_use]
pub fn started_review(started: &Started, wp_id: &str) -> Data {
    Data::about(&started.mission)
        .with("wp_id", &wp_id)
        .with("from_lane", &started.from.as_str())
        .with("to_lane", &"in_review")
        .with("prompt_path", &text(&started.prompt))
        .with("policy_metadata_recorded", &true)
        .with("no_op", &started.step.is_none())
}

/// `accept-mission`.
#[must_use]
pub fn accepted(acceptance: &Acceptance) -> Data {
    let (approved, done) = (&acceptance.approved, &acceptance.done);
    let all: Vec<&String> = approved.iter().chain(done).collect();
    Data::about(&acceptance.mission)
        .with("accepted", &true)
        .with("mode", &"auto")
        .with("accepted_at", &acceptance.accepted_at)
        .with("accepted_wps", &all)
        .with("approved_wps", approved)
        .with("done_wps", done)
        .with("merge_pending_wps", approved)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
