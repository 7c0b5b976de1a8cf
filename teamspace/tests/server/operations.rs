//! Starting, stopping, restarting, and the operator's side.

use crate::house::{House, OWNER, event, gzip, text, wire};
use kitty_teamspace::{
    Administration, AdministrationError, DataDirectoryError, NewAccount, Options, StartError,
    StoreOpenError, start,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

#[actix_web::test]
async fn a_restart_keeps_sessions_key_and_events() {
    let house = House::start().await;
    let pair = house.login(OWNER).await;
    let (access, key) = (text(&pair["access_token"]), house.key());
    house.deliver(&access, &[wire(1)]).await;
    let waiting = house.begin_device().await;
    let house = house.restart().await;
    assert_eq!(house.key(), key);
    let page = house.get("/api/v1/events", &access).await.expect(200);
    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    assert_eq!(
        house.deliver(&access, &[wire(1)]).await[0]["status"],
        "duplicate"
    );
    house
        .refresh(&text(&pair["refresh_token"]))
        .await
        .expect(200);
    assert_eq!(
        house
            .decide(&text(&waiting["user_code"]), OWNER, &key, "approve")
            .await
            .status,
        200
    );
    house.poll(&text(&waiting["device_code"])).await.expect(200);
    assert_eq!(
        house
            .server
            .administration()
            .accounts()
            .await
            .unwrap()
            .len(),
        1
    );
}

#[actix_web::test]
async fn a_second_server_on_the_same_directory_is_refused_while_the_first_runs() {
    let house = House::start().await;
    let options = || {
        let mut options = Options::new(house.directory.path().join("data"));
        options.bind.set_port(0);
        options
    };
    let refused = start(options()).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StartError::Directory(DataDirectoryError::InUse { .. })
        ),
        "{refused}"
    );
    house.get("/health/", "").await.expect(200);
    let next = options();
    house.server.stop().await;
    start(next).await.unwrap().stop().await;
}

#[actix_web::test]
async fn a_port_in_use_is_named() {
    let house = House::start().await;
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(directory.path());
    options.bind = house.server.address();
    let refused = start(options).await.unwrap_err();
    assert!(matches!(refused, StartError::Bind { .. }));
    let port = house.server.address().port().to_string();
    assert!(refused.to_string().contains(&port), "{refused}");
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[actix_web::test]
async fn a_damaged_database_is_named_and_left_as_it_is() {
    for (at, length) in [(0, 100), (4_096, 8_192)] {
        let house = House::start().await;
        let token = house.token(OWNER).await;
        house.deliver(&token, &[wire(1)]).await;
        let options = Options::new(house.directory.path().join("data"));
        house.server.stop().await;
        let path = options.data_dir.join("teamspace.db");
        overwrite(&path, at, &vec![0x5a; length]);
        let before = std::fs::read(&path).unwrap();
        let refused = start(options).await.unwrap_err();
        assert!(
            matches!(refused, StartError::Store(StoreOpenError::Damaged { .. })),
            "{refused}"
        );
        assert!(refused.to_string().contains("teamspace.db"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

/// Opens the database of a stopped server as another program would.
async fn other_program(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data.join("teamspace.db"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[actix_web::test]
async fn a_database_that_another_program_holds_is_named() {
    let house = House::start().await;
    let mut options = Options::new(house.directory.path().join("data"));
    options.limits.store_deadline = Duration::from_millis(50);
    house.server.stop().await;
    let mut other = other_program(&options.data_dir).await;
    let hold = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT 1 FROM accounts";
    sqlx::raw_sql(hold).execute(&mut other).await.unwrap();
    let refused = start(options).await.unwrap_err();
    assert!(
        matches!(refused, StartError::Store(StoreOpenError::Locked { .. })),
        "{refused}"
    );
}

#[actix_web::test]
async fn a_database_of_a_newer_release_is_refused_by_server_and_administration() {
    let house = House::start().await;
    let options = Options::new(house.directory.path().join("data"));
    house.server.stop().await;
    let mut other = other_program(&options.data_dir).await;
    let newer = "INSERT INTO _sqlx_migrations SELECT 999, description, installed_on, success, \
                 checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
    sqlx::raw_sql(newer).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let opened = Administration::open(&options.data_dir).await.unwrap_err();
    let StartError::Store(started) = start(options).await.unwrap_err() else {
        panic!("the store is at fault")
    };
    for refused in [opened, started] {
        assert!(
            matches!(refused, StoreOpenError::Schema { .. }),
            "{refused}"
        );
        assert!(
            refused
                .to_string()
                .contains("use the release that wrote it"),
            "{refused}"
        );
    }
}

#[actix_web::test]
async fn a_stop_does_not_wait_for_idle_connections_and_closes_the_log() {
    let house = House::start().await;
    house.get("/health/", "").await.expect(200);
    let data = house.directory.path().join("data");
    let started = Instant::now();
    house.server.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert!(
        !data.join("teamspace.db-wal").exists(),
        "the log was folded into the database"
    );
}

#[actix_web::test]
async fn a_stop_lets_a_request_that_is_being_answered_finish() {
    let house = House::start_with(|options| options.workers = 2).await;
    let token = house.token(OWNER).await;
    let bearer = format!("Bearer {token}");
    let url = house.url("/api/v1/events/batch/");
    let events: Vec<String> = (0..1_000).map(wire).collect();
    let body = gzip(&crate::house::batch_of(&events));
    let sending = actix_web::rt::spawn(async move {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-encoding", "gzip"),
            ("x-spec-kitty-sync-protocol", "2.0"),
        ];
        crate::house::try_send(&crate::house::client(), "POST", &url, &headers, body).await
    });
    // Let the request leave before the stop; whether it is answered is then the server's business.
    actix_web::rt::task::yield_now().await;
    let directory = house.directory.path().join("data");
    house.server.stop().await;
    let answered = matches!(sending.await.unwrap(), Ok(answer) if answer.status == 200);
    let administration = Administration::open(&directory).await.unwrap();
    let stored = administration.count_events("owner-private").await.unwrap();
    assert!(
        stored == 1_000 || (stored == 0 && !answered),
        "{stored} {answered}"
    );
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    let house = House::start().await;
    for path in [
        "/nothing",
        "/api/v1/nothing/",
        "/api",
        "/..%2f..%2fetc/passwd",
        "//",
    ] {
        let answer = house.send("POST", path, &[], Vec::new()).await;
        assert!(
            matches!(answer.status, 404 | 405),
            "{path}: {}",
            answer.status
        );
        assert!(!text(&answer.json()["message"]).is_empty());
    }
    for (method, path, allow) in [
        ("GET", "/api/v1/events/batch/", "POST"),
        ("DELETE", "/api/v1/me", "GET, HEAD"),
        ("PUT", "/device", "GET, HEAD, POST"),
        ("GET", "/oauth/token", "POST"),
    ] {
        let answer = house.send(method, path, &[], Vec::new()).await;
        answer.refuses(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[actix_web::test]
async fn health_needs_no_token_and_head_works_where_get_does() {
    let house = House::start().await;
    for path in ["/health/", "/health", "/health/ready/", "/health/ready"] {
        let health = house.send("GET", path, &[], Vec::new()).await.expect(200);
        let status = if path.contains("ready") {
            "ready"
        } else {
            "ok"
        };
        assert_eq!(health["status"], status);
        assert_eq!(health["service"], "spec-kitty-teamspace");
        assert!(health["version"].is_string());
    }
    for path in ["/", "/health/", "/device"] {
        let answer = house.send("HEAD", path, &[], Vec::new()).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
}

#[actix_web::test]
async fn the_operator_exports_every_envelope_on_a_line_of_its_own() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let several_lines = wire(2).replacen('{', "{\r\n", 1);
    let mut expected = vec![wire(1), several_lines.clone(), wire(3)];
    house.deliver(&token, &expected).await;
    // Another process may administrate while the server runs.
    let administration = Administration::open(&house.directory.path().join("data"))
        .await
        .unwrap();
    let mut output = Vec::new();
    let written = administration
        .export_events("owner-private", &mut output)
        .await
        .unwrap();
    assert_eq!(written, 3);
    expected[1] = several_lines.replace("\r\n", "  ");
    let lines: Vec<&str> = std::str::from_utf8(&output).unwrap().lines().collect();
    assert_eq!(lines, expected);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(lines[1]).unwrap(),
        event(2)
    );
    administration.close().await;
}

#[actix_web::test]
async fn the_operator_makes_accounts_and_is_told_what_is_wrong_with_them() {
    let house = House::start().await;
    let administration = house.server.administration();
    let create = async |account: NewAccount| administration.create_account(account).await;
    let ann = NewAccount::new(" Ann@Example.com", "Ann").shared_team("crew", "The crew");
    let made = create(ann.clone()).await.unwrap();
    assert_eq!(made.email, "ann@example.com");
    assert_eq!(made.private_team(), None);
    assert_eq!(made.teams[0].role, "member");
    assert!(matches!(
        create(ann).await,
        Err(AdministrationError::EmailTaken(_))
    ));
    let ben = || NewAccount::new("ben@example.com", "Ben");
    for (account, refused) in [
        (NewAccount::new("ben", "Ben"), "not an email"),
        (NewAccount::new("ben@example.com", " "), "not a name"),
        (ben().shared_team("No Slug", "x"), "not a team slug"),
        (ben().shared_team("owner-private", "x"), "Private Teamspace"),
    ] {
        let error = create(account).await.unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
    }
    // Nothing of a refused account is left.
    let made = create(ben().with_private_team().shared_team("crew", "x"))
        .await
        .unwrap();
    assert_eq!(made.teams.len(), 2);
    let taken = NewAccount::new("ben@elsewhere.example", "Ben").with_private_team();
    let slug = create(taken)
        .await
        .unwrap()
        .private_team()
        .unwrap()
        .slug
        .clone();
    assert!(slug.starts_with("ben-private-"), "{slug}");
    assert!(matches!(
        administration.grant_private_team("ben@example.com").await,
        Err(AdministrationError::HasPrivateTeam(_))
    ));
    assert!(matches!(
        administration.count_events("nothing").await,
        Err(AdministrationError::UnknownTeam(_))
    ));
    let token = house.token("ann@example.com").await;
    assert_eq!(
        administration
            .revoke_sessions("ann@example.com")
            .await
            .unwrap(),
        1
    );
    house
        .get("/api/v1/me", &token)
        .await
        .refuses(401, "session_invalid");
}

#[actix_web::test]
async fn administration_of_a_directory_without_a_store_names_the_next_step() {
    let directory = tempfile::tempdir().unwrap();
    let refused = Administration::open(directory.path()).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("start the Teamspace server once"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
