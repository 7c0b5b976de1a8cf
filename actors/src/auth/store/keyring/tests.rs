use super::*;
use crate::auth::testing::{TestRoot, later, session};
use kitty_runtime::fs::os_filesystem;

fn store(root: &TestRoot, open: Arc<Opener>) -> KeyringSessionStore {
    let limit = Duration::from_millis(200);
    KeyringSessionStore::new(root.paths(), os_filesystem(), open, limit)
}

/// A keyring in memory, shared by all handles made from it.
fn memory() -> Arc<Opener> {
    let store = keyring_core::mock::Store::new().unwrap();
    Arc::new(move || Ok(Arc::clone(&store) as Arc<CredentialStore>))
}

fn stored(name: &str) -> Stored {
    Stored {
        session: session(name),
        issuer: ServerUrl::parse("https://a.example").ok(),
    }
}

#[test]
fn a_session_in_the_keyring_follows_the_same_rules_as_one_in_a_file() {
    let (root, keyring) = (TestRoot::new(), memory());
    let handle = || store(&root, Arc::clone(&keyring));
    assert_eq!(handle().probe(), Ok(()));
    assert_eq!(handle().read(ReadPurpose::Use).unwrap(), None);
    assert_eq!(handle().presence(later(0)).unwrap(), Presence::Absent);
    handle().write(&stored("one")).unwrap();
    assert_eq!(
        handle().read(ReadPurpose::Use).unwrap(),
        Some(stored("one"))
    );
    let old = session("one").pair();
    assert_eq!(
        handle().exchange(&old, &stored("two")).unwrap(),
        Exchanged::Written
    );
    assert_eq!(
        handle().exchange(&old, &stored("three")).unwrap(),
        Exchanged::Superseded(Some(Box::new(stored("two"))))
    );
    assert_eq!(
        handle().delete(Some(&old)).unwrap(),
        Deleted::Newer(Box::new(stored("two")))
    );
    assert_eq!(handle().delete(None).unwrap(), Deleted::Deleted);
    assert_eq!(handle().delete(None).unwrap(), Deleted::Absent);
    assert_eq!(root.files(), ["session.lock"]);
}

#[test]
fn two_state_roots_do_not_share_an_entry() {
    let (one, two, keyring) = (TestRoot::new(), TestRoot::new(), memory());
    store(&one, Arc::clone(&keyring))
        .write(&stored("one"))
        .unwrap();
    assert_eq!(store(&two, keyring).read(ReadPurpose::Use).unwrap(), None);
}

#[test]
fn a_keyring_that_refuses_fails_the_probe_with_the_next_step() {
    let refusing: Arc<Opener> = Arc::new(|| {
        Err(KeyringError::NoStorageAccess(
            "the collection is locked".into(),
        ))
    });
    let error = store(&TestRoot::new(), refusing)
        .probe()
        .unwrap_err()
        .to_string();
    assert!(error.contains("the collection is locked"), "{error}");
    assert!(error.contains("unset SPEC_KITTY_AUTH_STORE"), "{error}");
}

#[test]
fn a_keyring_that_waits_for_a_prompt_is_given_up_after_the_limit() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let hanging: Arc<Opener> = Arc::new(move || {
        let _ = wait.lock().unwrap().recv();
        Err(KeyringError::NoDefaultStore)
    });
    let error = store(&TestRoot::new(), hanging)
        .probe()
        .unwrap_err()
        .to_string();
    assert!(error.contains("did not answer within 200 ms"), "{error}");
    drop(release);
}

#[test]
fn a_damaged_entry_is_an_error_and_not_an_absent_session() {
    let (root, keyring) = (TestRoot::new(), memory());
    let handle = store(&root, keyring);
    handle
        .ask(&handle.user, |entry| {
            entry.set_secret(b"{\"schema_version\": 9}")
        })
        .unwrap();
    let error = handle.read(ReadPurpose::Use).unwrap_err().to_string();
    assert!(error.contains("is unusable"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_keyring_either_keeps_a_session_or_says_why_not() {
    let root = TestRoot::new();
    let store = KeyringSessionStore::of_this_platform(root.paths(), os_filesystem()).unwrap();
    match store.probe() {
        Ok(()) => {
            store.write(&stored("one")).unwrap();
            assert_eq!(store.read(ReadPurpose::Use).unwrap(), Some(stored("one")));
            assert_eq!(store.delete(None).unwrap(), Deleted::Deleted);
        }
        Err(error) => assert!(matches!(error, StoreError::Keyring { .. }), "{error}"),
    }
}
