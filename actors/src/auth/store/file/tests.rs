use super::super::SharedStore;
use super::*;
use crate::auth::secret::Secret;
use crate::auth::testing::{TestRoot, later, mode_of, put, session};
use kitty_runtime::fs::{OsFilesystem, read_all};
use std::sync::Arc;

fn stored(name: &str) -> Stored {
    Stored {
        session: session(name),
        issuer: ServerUrl::parse("https://a.example").ok(),
    }
}

fn read(root: &TestRoot) -> Result<Option<Stored>, StoreError> {
    root.store().read(ReadPurpose::Inspect)
}

mod damage;

#[test]
fn a_written_session_is_read_back_whole_by_another_process() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    assert_eq!(read(&root).unwrap(), Some(stored("one")));
}

#[test]
fn the_files_are_those_of_the_python_cli_and_private() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    assert_eq!(
        root.files(),
        [
            "session.hot-path.json",
            "session.issuer.json",
            "session.json",
            "session.key",
            "session.lock",
            "session.salt"
        ]
    );
    assert_eq!(mode_of(root.paths().directory()), 0o700);
    for name in root.files() {
        assert_eq!(
            mode_of(&root.paths().directory().join(&name)),
            0o600,
            "{name}"
        );
    }
    let salt = read_all(&OsFilesystem, &root.paths().salt()).unwrap();
    assert_eq!(salt.len(), 16);
    let text = read_all(&OsFilesystem, &root.paths().session()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("{\"version\": 2, \"nonce\": \""), "{text}");
    assert!(text.ends_with("\"}"), "{text}");
}

#[test]
fn reading_and_looking_create_nothing() {
    let root = TestRoot::new();
    assert_eq!(read(&root).unwrap(), None);
    assert_eq!(root.store().presence(later(0)).unwrap(), Presence::Absent);
    assert_eq!(root.store().delete(None).unwrap(), Deleted::Absent);
    assert!(!root.directory.path().join("root").exists());

    root.store().write(&stored("one")).unwrap();
    for path in [root.paths().hot_path(), root.paths().derived_key()] {
        std::fs::remove_file(path).unwrap();
    }
    let before = root.files();
    read(&root).unwrap();
    root.store().presence(later(0)).unwrap();
    assert_eq!(root.files(), before);
    root.store().read(ReadPurpose::Use).unwrap();
    assert_eq!(root.files().len(), before.len() + 2);
}

#[test]
fn presence_needs_no_key() {
    let root = TestRoot::new();
    let session = session("one").refreshable_until(100);
    root.store()
        .write(&Stored {
            session,
            issuer: None,
        })
        .unwrap();
    let present = |verified, end: Option<i64>| Presence::Present {
        verified,
        refresh_token_expires_at: end.map(later),
    };
    let presence = |seconds| root.store().presence(later(seconds)).unwrap();
    // The hint answers for 30 seconds, then the cached key does.
    std::fs::remove_file(root.paths().salt()).unwrap();
    assert_eq!(presence(30), present(true, Some(100)));
    assert!(root.store().presence(later(31)).is_err());
    root.store().delete(None).unwrap();

    let session = crate::auth::testing::session("two").refreshable_until(100);
    root.store()
        .write(&Stored {
            session,
            issuer: None,
        })
        .unwrap();
    assert_eq!(presence(31), present(true, Some(100)));
    assert_eq!(presence(100), Presence::Expired { at: later(100) });
    std::fs::remove_file(root.paths().derived_key()).unwrap();
    assert_eq!(presence(31), present(false, None));
}

#[test]
fn a_hint_for_another_file_or_from_the_future_is_ignored() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    let facts = facts_of(&root.paths().session()).unwrap().unwrap();
    let hint = |facts, seconds| hot_path::load(&root.paths().hot_path(), facts, later(seconds));
    assert!(hint(facts, 0).is_some());
    assert!(hint(facts, 30).is_some());
    assert!(hint(facts, 31).is_none());
    assert!(hint(facts, -1).is_none());
    for changed in [
        FileFacts {
            inode: facts.inode + 1,
            ..facts
        },
        FileFacts {
            mtime_ns: facts.mtime_ns + 1,
            ..facts
        },
        FileFacts {
            size: facts.size + 1,
            ..facts
        },
    ] {
        assert!(hint(changed, 0).is_none());
    }
    for garbage in ["", "{}", "[]", "{\"schema_version\": 1}"] {
        put(&root.paths().hot_path(), garbage.as_bytes(), 0o600);
        assert!(hint(facts, 0).is_none());
    }
}

#[test]
fn the_hint_has_the_bytes_of_the_python_cli() {
    let root = TestRoot::new();
    let session = session("one").refreshable_until(5000);
    root.store()
        .write(&Stored {
            session,
            issuer: None,
        })
        .unwrap();
    let facts = facts_of(&root.paths().session()).unwrap().unwrap();
    let text = read_all(&OsFilesystem, &root.paths().hot_path()).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        format!(
            "{{\"durable_fingerprint\": {{\"inode\": {}, \"mtime_ns\": {}, \"size\": {}}}, \
             \"generated_at\": 1767323045.0, \"max_age_seconds\": 30.0, \
             \"refresh_token_expires_at\": \"2026-01-02T04:27:25+00:00\", \"schema_version\": 1}}",
            facts.inode, facts.mtime_ns, facts.size
        )
    );
}

#[test]
fn with_hints_off_neither_hint_nor_key_is_written_or_believed() {
    let root = TestRoot::new();
    root.store()
        .with_hints(false)
        .write(&stored("one"))
        .unwrap();
    assert_eq!(
        root.files(),
        [
            "session.issuer.json",
            "session.json",
            "session.lock",
            "session.salt"
        ]
    );
    root.store().read(ReadPurpose::Use).unwrap();
    assert_eq!(root.files().len(), 6);
    std::fs::remove_file(root.paths().salt()).unwrap();
    assert!(root.store().presence(later(0)).is_ok());
    assert!(root.store().with_hints(false).presence(later(0)).is_err());
}

#[test]
fn an_exchange_happens_only_in_place_of_the_expected_pair() {
    let root = TestRoot::new();
    let (one, two, three) = (stored("one"), stored("two"), stored("three"));
    let exchange = |expected: &Stored, next: &Stored| {
        root.store()
            .exchange(&expected.session.pair(), next)
            .unwrap()
    };
    assert_eq!(exchange(&one, &two), Exchanged::Superseded(None));
    assert_eq!(read(&root).unwrap(), None);
    root.store().write(&one).unwrap();
    assert_eq!(exchange(&one, &two), Exchanged::Written);
    assert_eq!(
        exchange(&one, &three),
        Exchanged::Superseded(Some(Box::new(two.clone())))
    );
    assert_eq!(read(&root).unwrap(), Some(two));
}

#[test]
fn a_stale_process_never_deletes_a_newer_session() {
    let root = TestRoot::new();
    root.store().write(&stored("new")).unwrap();
    let deleted = root.store().delete(Some(&session("old").pair())).unwrap();
    assert_eq!(deleted, Deleted::Newer(Box::new(stored("new"))));
    assert_eq!(read(&root).unwrap(), Some(stored("new")));
    let deleted = root.store().delete(Some(&session("new").pair())).unwrap();
    assert_eq!(deleted, Deleted::Deleted);
    assert_eq!(root.files(), ["session.lock"]);
}

#[test]
fn a_logout_removes_everything_but_the_lock_even_what_does_not_open() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    put(&root.paths().session(), b"damaged", 0o644);
    assert_eq!(root.store().delete(None).unwrap(), Deleted::Deleted);
    assert_eq!(root.files(), ["session.lock"]);
    assert_eq!(root.store().delete(None).unwrap(), Deleted::Absent);
}

#[test]
fn teams_change_under_whatever_tokens_the_session_has_by_now() {
    let root = TestRoot::new();
    let server = ServerUrl::parse("https://a.example").unwrap();
    let shared_only = Stored {
        session: session("one").with_shared_team_only(),
        issuer: None,
    };
    root.store().write(&shared_only).unwrap();
    let teams = session("x").teams;
    let update = |id: &str| root.store().update_teams(id, &teams, &server).unwrap();
    assert_eq!(update("another-session"), None);
    let updated = update("s-1").unwrap();
    assert_eq!(updated.session.default_team_id, "t-private");
    assert_eq!(updated.session.access_token, Secret::new("access-one"));
    assert_eq!(updated.issuer.as_ref(), Some(&server));
    assert_eq!(read(&root).unwrap(), Some(updated));
}

#[test]
fn a_session_of_the_python_cli_is_unbound_until_it_is_refreshed() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    // A new login by the other program: another session id, no word about the server.
    let mut other = session("two");
    other.session_id = "s-2".to_owned();
    let unbound = Stored {
        session: other,
        issuer: None,
    };
    root.store().write(&unbound).unwrap();
    assert_eq!(read(&root).unwrap(), Some(unbound));
}

#[test]
fn a_store_that_cannot_be_written_fails_its_probe() {
    let root = TestRoot::new();
    assert_eq!(root.store().probe(), Ok(()));
    assert_eq!(root.files(), ["session.lock"]);
    let blocked = TestRoot::new();
    put(&blocked.directory.path().join("root"), b"a file", 0o600);
    let error = blocked.store().probe().unwrap_err();
    assert!(matches!(error, StoreError::Unwritable { .. }), "{error}");
}

#[test]
fn readers_never_see_anything_but_a_whole_session_while_others_write_and_log_out() {
    let root = Arc::new(TestRoot::new());
    let store: SharedStore = Arc::new(root.store());
    let writer = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || {
            for round in 0..200 {
                store.write(&stored(&round.to_string())).unwrap();
                if round % 50 == 49 {
                    store.delete(None).unwrap();
                }
            }
        })
    };
    let mut seen = 0;
    let reader = root.store();
    while !writer.is_finished() {
        if reader.read(ReadPurpose::Inspect).unwrap().is_some() {
            seen += 1;
        }
    }
    writer.join().unwrap();
    assert!(seen > 0);
}

#[test]
fn a_reader_that_meets_files_of_two_sessions_reads_again() {
    let failing = |raw: &u8| match raw {
        9 => Ok("opened"),
        _ => Err(StoreError::Interrupted),
    };
    let reads = |sequence: &[Option<u8>]| {
        let mut reads = sequence.iter().copied();
        settle(|| Ok(reads.next().unwrap()), failing)
    };
    assert_eq!(reads(&[Some(9)]), Ok(Some("opened")));
    assert_eq!(reads(&[Some(1), Some(2), Some(9)]), Ok(Some("opened")));
    assert_eq!(reads(&[Some(1), None]), Ok(None));
    assert_eq!(reads(&[Some(1), Some(1)]), Err(StoreError::Interrupted));
    assert_eq!(
        reads(&[Some(1), Some(2), Some(2)]),
        Err(StoreError::Interrupted)
    );
    let changing: Vec<_> = (10..10 + 8).map(Some).collect();
    assert_eq!(changing.len(), READ_ATTEMPTS);
    assert_eq!(reads(&changing), Err(StoreError::Interrupted));
}

#[test]
fn a_reader_that_publishes_hints_after_a_logout_takes_them_back() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    let late = root.store();
    let (session, facts) = late.open().unwrap().unwrap();
    root.store().delete(None).unwrap();
    late.publish_hints(&session, facts);
    assert_eq!(root.files(), ["session.lock"]);
}
