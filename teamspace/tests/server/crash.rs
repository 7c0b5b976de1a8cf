//! SIGKILL while batches arrive: nothing that was acknowledged is lost.

use crate::house::{batch_of, client, id, send, text, try_send, wire};
use kitty_teamspace::{Options, start};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// How often the server is killed.
const KILLS: usize = 8;

/// The child's data directory; without it the child test does nothing.
const DIRECTORY: &str = "TEAMSPACE_TEST_DIRECTORY";

/// What the child prints in front of its address and key.
const READY: &str = "teamspace-ready ";

/// Is the server that gets killed, when this test binary runs itself.
#[test]
fn the_child_process_serves_until_it_is_killed() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how a test tells its child what to do"
    )]
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    actix_web::rt::System::new().block_on(async {
        let mut options = Options::new(directory);
        options.bind.set_port(0);
        let mut server = start(options).await.unwrap();
        println!("{READY}{} {}", server.url(), server.approval_key().expose());
        server.wait().await.unwrap();
    });
}

/// A child server; killed when dropped.
struct Victim {
    process: Child,
    url: String,
    key: String,
}

impl Victim {
    fn start(directory: &Path) -> Self {
        let name = "crash::the_child_process_serves_until_it_is_killed";
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(DIRECTORY, directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        // The test harness prints the test's name on the same line, so READY may stand behind it.
        let ready = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(READY).map(|(_, rest)| rest.to_owned()))
            .expect("the child is ready");
        let (url, key) = ready.split_once(' ').unwrap();
        Self {
            process,
            url: url.to_owned(),
            key: key.to_owned(),
        }
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn login(victim: &Victim) -> String {
    let client = client();
    let post = async |path: &str, fields: &[(&str, &str)]| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let url = format!("{}{path}", victim.url);
        send(&client, "POST", &url, &[], body.into_bytes()).await
    };
    let begun = post("/oauth/device", &[("client_id", "cli_native")])
        .await
        .expect(200);
    let (device, user) = (text(&begun["device_code"]), text(&begun["user_code"]));
    let approval = [
        ("user_code", user.as_str()),
        ("email", crate::house::OWNER),
        ("approval_key", &victim.key),
        ("decision", "approve"),
    ];
    assert_eq!(post("/device", &approval).await.status, 200);
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", &device),
        ("client_id", "cli_native"),
    ];
    text(&post("/oauth/token", &poll).await.expect(200)["access_token"])
}

/// Sends batches of five until the server dies; returns how many events it acknowledged.
async fn send_until_killed(
    url: String,
    token: String,
    from: usize,
    acknowledged: mpsc::Sender<usize>,
) -> usize {
    let client = client();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-spec-kitty-sync-protocol", "2.0"),
    ];
    let mut next = from;
    loop {
        let events: Vec<String> = (next..next + 5).map(wire).collect();
        let url = format!("{url}/api/v1/events/batch/");
        let sent = try_send(&client, "POST", &url, &headers, batch_of(&events)).await;
        let Ok(answer) = sent else { return next };
        let answer = answer.expect(200);
        for result in answer["results"].as_array().unwrap() {
            assert!(matches!(
                result["status"].as_str(),
                Some("success" | "duplicate")
            ));
        }
        next += 5;
        let _ = acknowledged.send(next);
    }
}

#[test]
fn what_was_acknowledged_survives_kill_after_kill() {
    let system = actix_web::rt::System::new();
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("data");
    let mut victim = Victim::start(&directory);
    let token = system.block_on(login(&victim));
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let (heard, hear) = mpsc::channel();
        let (url, token, from) = (victim.url.clone(), token.clone(), acknowledged);
        let sender = std::thread::spawn(move || {
            let system = actix_web::rt::System::new();
            system.block_on(send_until_killed(url, token, from, heard))
        });
        // The kill falls into the request after a number of acknowledgements that differs by round.
        for _ in 0..=round * 3 {
            hear.recv().unwrap();
        }
        victim.kill();
        acknowledged = sender.join().unwrap();
        victim = Victim::start(&directory);
    }
    let missing = system.block_on(async {
        let client = client();
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let (mut after, mut stored) = (0, std::collections::BTreeSet::new());
        loop {
            let url = format!("{}/api/v1/events?limit=1000&after={after}", victim.url);
            let page: Value = send(&client, "GET", &url, &headers, Vec::new())
                .await
                .expect(200);
            for event in page["events"].as_array().unwrap() {
                assert!(
                    stored.insert(text(&event["envelope"]["event_id"])),
                    "stored twice"
                );
            }
            after = page["next_after"].as_i64().unwrap();
            if page["has_more"] == false {
                break;
            }
        }
        (0..acknowledged)
            .filter(|number| !stored.contains(&id(*number)))
            .count()
    });
    assert!(acknowledged >= KILLS * 5);
    assert_eq!(missing, 0, "of {acknowledged} acknowledged");
}
