//! Scenario 2: rows of another identity lie in queues of every earlier release; only ours are
//! delivered, none of theirs is taken over, and none of theirs is lost.

use crate::legacy_queues::{LegacyQueue, Place, recorded};
use crate::result::FailureMode;
use crate::scene::{Failing, Scene, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(super) fn run(scene: &mut Scene<'_>) -> Result<(), Failing> {
    let queues = recorded();
    scene.step("queues of another identity");
    seed(
        scene,
        queues.iter().filter(|it| it.place == Place::Unscoped),
    )?;
    scene.log_in()?;
    seed(
        scene,
        queues.iter().filter(|it| it.place != Place::Unscoped),
    )?;
    let mission = scene.create_mission("-s2")?;
    scene.step("work");
    mission.finish(&scene.machine)?;
    let captured = scene.captured()?;
    scene.deliver()?;
    scene.step("their rows");
    require_not_adopted(scene, &queues)?;
    scene.require_materialized(&mission, captured.as_deref(), "done")?;
    require_not_lost(scene, &queues)
}

fn seed<'q>(
    scene: &Scene<'_>,
    queues: impl Iterator<Item = &'q LegacyQueue>,
) -> Result<(), Failing> {
    for queue in queues {
        let path = queue.path(scene.machine.map());
        scene.machine.write(&path, queue.bytes)?;
    }
    Ok(())
}

/// None of their rows was sent as ours.
fn require_not_adopted(scene: &Scene<'_>, queues: &[LegacyQueue]) -> Result<(), Failing> {
    let stored = scene.stored()?;
    let stored: BTreeSet<&str> = stored.iter().map(|it| text(it, "event_id")).collect();
    let theirs = queues.iter().flat_map(|queue| &queue.event_ids);
    let adopted: Vec<&String> = theirs.filter(|id| stored.contains(id.as_str())).collect();
    if adopted.is_empty() {
        return Ok(());
    }
    let details = format!("the server holds rows of another identity under ours: {adopted:?}");
    Err(Failing::new(FailureMode::LegacyRowsDuplicated, details))
}

/// Every file is as it was, or each of its rows lies elsewhere in the state root; and people are told.
fn require_not_lost(scene: &mut Scene<'_>, queues: &[LegacyQueue]) -> Result<(), Failing> {
    let changed: Vec<&LegacyQueue> = queues
        .iter()
        .filter(|queue| {
            let now = std::fs::read(queue.path(scene.machine.map()));
            now.ok().as_deref() != Some(queue.bytes)
        })
        .collect();
    if !changed.is_empty() {
        let kept = contents(scene.machine.map().root());
        for queue in changed {
            let lost = |words: &[String]| -> Vec<String> {
                let missing = words.iter().filter(|word| !holds(&kept, word));
                missing.cloned().collect()
            };
            let (events, bodies) = (lost(&queue.event_ids), lost(&queue.body_hashes));
            if !events.is_empty() {
                let details = format!("rows of {} are lost: {events:?}", queue.name());
                return Err(Failing::new(FailureMode::LegacyRowsStranded, details));
            }
            if !bodies.is_empty() {
                let details = format!("bodies of {} are lost: {bodies:?}", queue.name());
                return Err(Failing::new(FailureMode::LegacyBodyMissing, details));
            }
        }
    }
    let check = scene.check()?;
    if check.legacy_paths().is_empty() && check.legacy_rows() == 0 {
        let details =
            "rows of an earlier release are there, and `sync status --check` does not say so";
        return Err(Failing::new(FailureMode::LegacyRowsStranded, details));
    }
    Ok(())
}

/// Reads every file below a directory.
fn contents(directory: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.extend(std::fs::read(entry.path())),
                _ => {}
            }
        }
    }
    found
}

fn holds(files: &[Vec<u8>], word: &str) -> bool {
    let word = word.as_bytes();
    files
        .iter()
        .any(|file| file.windows(word.len()).any(|part| part == word))
}
