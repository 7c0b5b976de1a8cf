//! Whatever happens to the files: never a panic, never a wrong session, always a cause.

use super::super::*;
use super::{read, stored};
use crate::auth::session::SESSION_VECTOR;
use crate::auth::testing::{TestRoot, put, session};
use kitty_runtime::fs::{OsFilesystem, read_all};

#[test]
fn another_host_or_user_is_recognised_by_name() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    let error = root
        .store_on("new-host")
        .read(ReadPurpose::Inspect)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the session was written on another host/user or is damaged"),
        "{text}"
    );
    assert!(text.contains("host 'example-host' by user 1000"), "{text}");
    assert!(text.contains("spec-kitty auth login"), "{text}");
    std::fs::remove_file(root.paths().derived_key()).unwrap();
    let error = root
        .store_on("new-host")
        .read(ReadPurpose::Inspect)
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Sealed {
                written_on: None,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn every_kind_of_damage_is_an_error_with_a_cause_and_never_a_session() {
    type Damage = fn(&TestRoot);
    let cases: [(&str, Damage); 9] = [
        ("unsafe permissions (mode=0o644); expected 0600", |root| {
            let path = root.paths().session();
            let bytes = read_all(&OsFilesystem, &path).unwrap();
            put(&path, &bytes, 0o644);
        }),
        ("is missing", |root| {
            std::fs::remove_file(root.paths().salt()).unwrap();
        }),
        ("has 15 bytes instead of 16", |root| {
            put(&root.paths().salt(), &[0; 15], 0o600);
        }),
        ("another host/user or is damaged", |root| {
            put(&root.paths().salt(), &[0; 16], 0o600);
        }),
        ("no JSON envelope", |root| {
            put(&root.paths().session(), b"", 0o600);
        }),
        ("no JSON envelope", |root| {
            put(&root.paths().session(), b"{\"version\": 2", 0o600);
        }),
        ("version 1 instead of 2", |root| {
            let text = br#"{"version": 1, "nonce": "00", "ciphertext": "00"}"#;
            put(&root.paths().session(), text, 0o600);
        }),
        ("not a regular file", |root| {
            std::fs::remove_file(root.paths().session()).unwrap();
            std::fs::create_dir(root.paths().session()).unwrap();
        }),
        ("longer than 1 MiB", |root| {
            put(&root.paths().session(), &vec![b'x'; 1024 * 1024 + 1], 0o600);
        }),
    ];
    for (expected, damage) in cases {
        let root = TestRoot::new();
        root.store().write(&stored("one")).unwrap();
        damage(&root);
        let error = read(&root).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("auth/session."), "{error}");
        // A pair cannot be compared with what does not open, so nothing is deleted.
        assert!(root.store().delete(Some(&session("one").pair())).is_err());
    }
}

#[test]
fn a_session_cut_or_changed_at_any_byte_is_never_believed() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    let path = root.paths().session();
    let good = read_all(&OsFilesystem, &path).unwrap();
    // One handle: the key is derived once, and a wrong result is then the file's fault.
    let store = root.store();
    for position in 0..good.len() {
        let mut flipped = good.clone();
        flipped[position] ^= 1 << (position % 8);
        for bytes in [&flipped[..], &good[..position]] {
            put(&path, bytes, 0o600);
            match store.read(ReadPurpose::Inspect) {
                Err(error) => assert!(!error.to_string().is_empty()),
                // Hex digits exist in both cases, and JSON allows some other spaces.
                Ok(found) => assert_eq!(found, Some(stored("one")), "at {position}"),
            }
        }
    }
    put(&path, &good, 0o600);
    assert_eq!(
        store.read(ReadPurpose::Inspect).unwrap(),
        Some(stored("one"))
    );
}

#[test]
fn a_sealed_text_that_is_no_session_is_named_without_its_content() {
    let root = TestRoot::new();
    let store = root.store();
    store.write(&stored("one")).unwrap();
    let salt = store.salt_for_writing().unwrap();
    let key = store.proven_key(&salt).unwrap();
    let text = SESSION_VECTOR.replace("\"access_token\": \"at\"", "\"access_token\": 5");
    let envelope = Envelope::seal(&key, text.as_bytes()).unwrap().to_file();
    put(&root.paths().session(), envelope.as_bytes(), 0o600);
    let error = read(&root).unwrap_err().to_string();
    assert!(
        error.contains("the key 'access_token' does not hold"),
        "{error}"
    );
}

#[test]
fn a_cached_key_is_never_trusted_when_it_does_not_fit() {
    let root = TestRoot::new();
    let store = root.store();
    store.write(&stored("one")).unwrap();
    let path = root.paths().derived_key();
    let salt = store.salt_for_writing().unwrap();
    let host = store.host.clone();
    let record = String::from_utf8(read_all(&OsFilesystem, &path).unwrap()).unwrap();
    let load = || key_cache::load(&path, &salt, &host);
    assert!(load().is_some());
    assert!(key_cache::load(&path, &[7; 16], &host).is_none());
    for other in ["other-host", "example-host "] {
        let host = HostIdentity {
            hostname: other.to_owned(),
            ..host.clone()
        };
        assert!(key_cache::load(&path, &salt, &host).is_none());
    }
    assert!(
        key_cache::load(
            &path,
            &salt,
            &HostIdentity {
                uid: 1001,
                ..host.clone()
            }
        )
        .is_none()
    );
    for (bytes, mode) in [
        (record.clone(), 0o640),
        (record.clone(), 0o604),
        (
            record.replace("\"schema_version\": 1", "\"schema_version\": 2"),
            0o600,
        ),
        (record.replace("\"uid\"", "\"more\": 1, \"uid\""), 0o600),
        (String::new(), 0o600),
    ] {
        put(&path, bytes.as_bytes(), mode);
        assert!(load().is_none(), "{mode:o}");
    }
    // A link is not followed: its target may belong to anybody.
    put(
        &root.directory.path().join("elsewhere"),
        record.as_bytes(),
        0o600,
    );
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(root.directory.path().join("elsewhere"), &path).unwrap();
    assert!(load().is_none());
}

#[test]
fn a_damaged_cached_key_costs_time_and_nothing_else() {
    let root = TestRoot::new();
    root.store().write(&stored("one")).unwrap();
    let path = root.paths().derived_key();
    let record = String::from_utf8(read_all(&OsFilesystem, &path).unwrap()).unwrap();
    let at = record.find("\"key\": \"").unwrap() + 8;
    let mut damaged = record.into_bytes();
    damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
    put(&path, &damaged, 0o600);
    assert_eq!(read(&root).unwrap(), Some(stored("one")));

    // A write with the damaged key at hand must still be readable for those who derive theirs.
    let next = stored("two");
    let exchanged = root
        .store()
        .exchange(&session("one").pair(), &next)
        .unwrap();
    assert_eq!(exchanged, Exchanged::Written);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(&root).unwrap(), Some(next.clone()));
    put(&path, &damaged, 0o600);
    root.store().write(&next).unwrap();
    assert_eq!(
        root.store()
            .with_hints(false)
            .read(ReadPurpose::Inspect)
            .unwrap(),
        Some(next)
    );
}
