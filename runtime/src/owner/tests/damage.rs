//! What was lost or damaged: the owner goes on, reports it, and delivers what is left.

use super::*;
use std::io::Write as _;

#[test]
fn losing_the_mailbox_loses_nothing_and_not_even_the_answers() {
    let fixture = fixture();
    fixture.append(1, &["a", "b", "c"], CaptureScope::NOBODY);
    let mut owner = fixture.sled_owner();
    owner.ingest().unwrap();
    drain(&mut owner, &target(), |id| {
        if id == "b" {
            DeliveryState::Rejected
        } else {
            DeliveryState::Delivered
        }
    });
    let before = owner.release().unwrap();
    std::fs::remove_dir_all(fixture.scope.paths.mailbox()).unwrap();
    let mut owner = fixture.sled_owner();
    assert!(drain(&mut owner, &target(), |_| DeliveryState::Delivered).is_empty());
    let after = owner.release().unwrap();
    assert_eq!(after.targets[0].row.counts, before.targets[0].row.counts);
    assert_eq!(after.meta, before.meta);
}

#[test]
fn a_mailbox_of_garbage_is_put_away_and_rebuilt() {
    let fixture = fixture();
    fixture.append(1, &["a"], CaptureScope::NOBODY);
    let mut owner = fixture.sled_owner();
    owner.ingest().unwrap();
    owner.release().unwrap();
    for entry in fixture.scope.paths.mailbox().read_dir().unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            std::fs::File::create(entry.path())
                .unwrap()
                .write_all(&[0xee; 4096])
                .unwrap();
        }
    }
    let mut owner = fixture.sled_owner();
    assert!(!owner.damage().is_empty());
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["a"]
    );
    let status = owner.release().unwrap();
    assert!(
        status
            .damage
            .iter()
            .any(|report| report.what.contains("rebuilt"))
    );
}

#[test]
fn a_damaged_inbox_file_gives_what_it_can_and_is_kept() {
    let fixture = fixture();
    fixture.append(1, &["a", "b", "c"], CaptureScope::NOBODY);
    let file = fixture
        .scope
        .paths
        .inbox_new()
        .read_dir()
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&file).unwrap();
    let second = bytes.len() / 3 + 10;
    bytes[second] ^= 1;
    std::fs::File::create(&file)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    let mut owner = fixture.owner();
    assert_eq!(
        owner.ingest().unwrap(),
        Ingested {
            records: 2,
            known: 0,
            damaged_files: 1
        }
    );
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["a", "c"]
    );
    assert_eq!(
        fixture
            .scope
            .paths
            .inbox_damaged()
            .read_dir()
            .unwrap()
            .count(),
        1
    );
    assert!(owner.release().unwrap().damage[0].what.contains("inbox"));
}

#[test]
fn a_journal_that_was_taken_away_does_not_stop_the_owner() {
    let fixture = fixture();
    fixture.append(1, &["a"], CaptureScope::NOBODY);
    let mut owner = fixture.sled_owner();
    owner.ingest().unwrap();
    owner.release().unwrap();
    std::fs::remove_dir_all(fixture.scope.paths.journal()).unwrap();
    fixture.append(2, &["b"], CaptureScope::NOBODY);
    let mut owner = fixture.sled_owner();
    owner.ingest().unwrap();
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["b"]
    );
    assert!(!owner.damage().is_empty());
}
