use super::*;
use crate::fs::os_filesystem;
use crate::record::{CaptureScope, RecordKind};
use std::io::Write as _;

struct Fixture {
    _directory: tempfile::TempDir,
    paths: ScopePaths,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let paths = ScopePaths::at(directory.path().join("scope"));
    Fixture {
        _directory: directory,
        paths,
    }
}

impl Fixture {
    fn open(&self) -> (Journal, Vec<Damage>) {
        Journal::open(&os_filesystem(), &self.paths, "project", Mark::default()).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let view = JournalView::open(&os_filesystem(), &self.paths, "project").unwrap();
        all_ids(&view, 3, 4096)
    }

    fn segment_file(&self, first: u64) -> PathBuf {
        segment::path(&self.paths.journal(), first)
    }

    fn damage(&self, first: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.segment_file(first);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::File::create(path)
            .unwrap()
            .write_all(&bytes)
            .unwrap();
    }
}

fn all_ids(view: &JournalView, max_records: usize, max_bytes: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), Cursor::default());
    while let Some(slab) = view.read(cursor, max_records, max_bytes).unwrap() {
        ids.extend(slab.entries().iter().map(|entry| slab.id(entry).to_owned()));
        assert!(slab.next() > cursor, "a reader must make progress");
        cursor = slab.next();
    }
    ids
}

fn record<'a>(id: &'a str, payload: &'a [u8]) -> RecordView<'a> {
    let scope = CaptureScope::NOBODY;
    RecordView {
        sequence: 0,
        kind: RecordKind::Event,
        captured_ms: 5,
        scope,
        id,
        payload,
    }
}

fn append(journal: &mut Journal, ids: &[&str]) -> Vec<Position> {
    let records: Vec<_> = ids.iter().map(|id| record(id, id.as_bytes())).collect();
    journal.append(&records).unwrap()
}

#[test]
fn records_read_back_in_order_across_segments_and_reopenings() {
    let fixture = fixture();
    let (journal, _) = fixture.open();
    let mut journal = journal.with_segment_limit(200);
    append(&mut journal, &["a", "b", "c"]);
    append(&mut journal, &["d"]);
    drop(journal);
    let (journal, damage) = fixture.open();
    assert!(damage.is_empty());
    let mut journal = journal.with_segment_limit(200);
    let positions = append(&mut journal, &["e", "f"]);
    assert_eq!(positions[0].sequence, 5);
    assert_eq!(journal.next_sequence(), 7);
    assert!(journal.view().segments().count() > 1);
    assert_eq!(fixture.ids(), ["a", "b", "c", "d", "e", "f"]);
    let slab = journal.view().record_at(positions[1]).unwrap().unwrap();
    assert_eq!(slab.payload(&slab.entries()[0]), b"f");
}

#[test]
fn a_record_larger_than_the_budget_is_read_whole() {
    let fixture = fixture();
    let (mut journal, _) = fixture.open();
    let large = vec![b'x'; 300_000];
    journal
        .append(&[
            record("small", b"1"),
            record("large", &large),
            record("last", b"2"),
        ])
        .unwrap();
    assert_eq!(
        all_ids(journal.view(), usize::MAX, 4096),
        ["small", "large", "last"]
    );
}

#[test]
fn a_torn_tail_is_kept_aside_cut_and_its_sequences_are_not_used_again() {
    let fixture = fixture();
    let (mut journal, _) = fixture.open();
    append(&mut journal, &["a", "b"]);
    drop(journal);
    fixture.damage(1, |bytes| bytes.truncate(bytes.len() - 3));
    let (mut journal, damage) = fixture.open();
    assert_eq!(damage.len(), 1);
    assert!(damage[0].tail);
    assert!(append(&mut journal, &["c"])[0].sequence > 2);
    assert_eq!(fixture.ids(), ["a", "c"]);
    assert_eq!(
        std::fs::read_dir(fixture.paths.journal().join("damaged"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn damage_in_the_middle_costs_one_record_and_is_reported() {
    let fixture = fixture();
    let (mut journal, _) = fixture.open();
    append(&mut journal, &["a", "b", "c"]);
    drop(journal);
    let second = usize::try_from(SEGMENT_HEADER).unwrap() + record("a", b"a").framed_length();
    fixture.damage(1, |bytes| bytes[second + 20] ^= 0x40);
    assert_eq!(fixture.ids(), ["a", "c"]);
    let (journal, damage) = fixture.open();
    assert_eq!(damage.len(), 1);
    assert!(!damage[0].tail);
    assert!(damage[0].to_string().contains("damage in journal/"));
    assert_eq!(all_ids(journal.view(), 10, 4096), ["a", "c"]);
}

#[test]
fn zeroed_pages_truncated_files_and_missing_segments_never_stop_a_reader() {
    let fixture = fixture();
    let (journal, _) = fixture.open();
    let mut journal = journal.with_segment_limit(50);
    for id in ["a", "b", "c", "d"] {
        append(&mut journal, &[id]);
    }
    let segments: Vec<u64> = journal.view().segments().collect();
    assert!(segments.len() >= 3);
    fixture.damage(segments[0], |bytes| bytes.fill(0));
    std::fs::remove_file(fixture.segment_file(segments[1])).unwrap();
    let survivors = all_ids(journal.view(), 10, 4096);
    assert!(survivors.ends_with(&["d".to_owned()]), "{survivors:?}");
    fixture.damage(*segments.last().unwrap(), Vec::clear);
    let (mut journal, _) = fixture.open();
    assert!(append(&mut journal, &["e"])[0].sequence > 4);
    assert!(fixture.ids().contains(&"e".to_owned()));
}

#[test]
fn a_segment_of_another_scope_is_never_read() {
    let fixture = fixture();
    let (mut journal, _) = fixture.open();
    append(&mut journal, &["secret"]);
    let view = JournalView::open(&os_filesystem(), &fixture.paths, "another project").unwrap();
    assert_eq!(view.foreign(), [1]);
    assert!(all_ids(&view, 10, 4096).is_empty());
}

#[test]
fn a_damaged_header_does_not_hide_the_records() {
    let fixture = fixture();
    let (mut journal, _) = fixture.open();
    append(&mut journal, &["a", "b"]);
    drop(journal);
    fixture.damage(1, |bytes| bytes[3] ^= 0xff);
    assert_eq!(fixture.ids(), ["a", "b"]);
    let (mut journal, _) = fixture.open();
    append(&mut journal, &["c"]);
    assert_eq!(fixture.ids(), ["a", "b", "c"]);
}

#[test]
fn a_deleted_segment_is_gone_and_the_next_append_starts_another() {
    let fixture = fixture();
    let (mut journal, _) = fixture.open();
    append(&mut journal, &["a"]);
    journal.delete_segment(1).unwrap();
    let positions = append(&mut journal, &["b"]);
    assert_eq!((positions[0].sequence, positions[0].segment), (2, 2));
    assert_eq!(fixture.ids(), ["b"]);
}

#[test]
fn the_mark_of_the_last_close_is_a_floor_for_sequences() {
    let fixture = fixture();
    let mark = Mark {
        next_sequence: 70,
        cursor: Cursor::default(),
    };
    let (mut journal, _) =
        Journal::open(&os_filesystem(), &fixture.paths, "project", mark).unwrap();
    assert_eq!(append(&mut journal, &["a"])[0].sequence, 70);
}
