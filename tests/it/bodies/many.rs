//! Many contents, and deliveries that are killed among them.

use super::{Case, body_id};
use crate::support::process::signal;
use crate::support::scripted_server::{CONTENT, Step, content_answer};
use crate::support::timing::with_cpu_time;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Puts so many contents of about a kilobyte into the queue.
fn plant(case: &Case, count: usize, prefix: &str) -> Vec<String> {
    let requests: Vec<Value> = (0..count)
        .map(|number| {
            let mut request = case.specification.clone();
            let text = format!("# {prefix} {number}\n{}", "x".repeat(1000));
            request["artifact_path"] = json!(format!("research/{prefix}-{number}.md"));
            request["content_hash"] =
                json!(kitty_runtime::body::BodyTask::hash_of(text.as_bytes()));
            request["content_body"] = json!(text);
            request
        })
        .collect();
    case.sandbox.plant_bodies(&requests);
    requests.iter().map(body_id).collect()
}

#[test]
fn uploads_that_are_killed_again_and_again_end_with_every_content_stored_and_none_lost() {
    let case = Case::new();
    let mut ids: BTreeSet<String> = plant(&case, 120, "killed").into_iter().collect();
    ids.insert(body_id(&case.specification));
    let stored = Arc::new(Mutex::new(BTreeSet::new()));
    for kill_at in [1, 7, 30] {
        let (sender, process) = channel::<u32>();
        let process = Mutex::new(process);
        let (seen, kept) = (AtomicUsize::new(0), stored.clone());
        case.server.always(
            CONTENT,
            Step::with(move |request| {
                let is_new = kept.lock().unwrap().insert(body_id(&request.json()));
                if seen.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
                    // The server has it, and its answer never arrives.
                    let id = process.lock().unwrap().recv().unwrap();
                    signal("KILL", id);
                }
                match is_new {
                    true => content_answer(request, 201, "stored"),
                    false => content_answer(request, 200, "already_exists"),
                }
            }),
        );
        let running = case.sandbox.call(&["sync", "now"]).start();
        sender.send(running.id()).unwrap();
        assert_eq!(running.finish().status.code(), None, "it was not killed");
    }
    let known = stored.clone();
    case.server.always(
        CONTENT,
        Step::with(
            move |request| match known.lock().unwrap().insert(body_id(&request.json())) {
                true => content_answer(request, 201, "stored"),
                false => content_answer(request, 200, "already_exists"),
            },
        ),
    );
    let report = case.sync();
    assert!(report["already_exists"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(*stored.lock().unwrap(), ids);
    let status = case.sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(
        (&status["open_bodies"], &status["damage"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(case.sync()["requests"], 0);
}

#[test]
fn ten_thousand_contents_take_ten_times_as_long_as_a_thousand() {
    let drain = |case: &Case, count: usize, prefix: &str| {
        plant(case, count, prefix);
        let (run, took) = with_cpu_time(case.sandbox.call(&["sync", "now", "--json"]));
        let report = run.expect_code(0).json();
        let uploaded = report["bodies"]["uploaded"].as_u64();
        assert!(uploaded.unwrap() >= count as u64, "{report}");
        took
    };
    let case = Case::new();
    drain(&case, 100, "warm");
    let few = drain(&case, 1_000, "few");
    let many = drain(&case, 10_000, "many");
    // Linear is ten, quadratic a hundred.
    let ratio = many.as_secs_f64() / few.max(Duration::from_millis(10)).as_secs_f64();
    eprintln!("1,000 bodies: {few:?}; 10,000 bodies: {many:?}; ratio {ratio:.1}");
    assert!(ratio < 25.0, "{few:?} and {many:?}");
    let status = case.sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["open_bodies"], 0);
}
