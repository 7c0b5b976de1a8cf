//! The reading API: pages, counts, and the walls between teams.

use crate::house::{Answer, House, OWNER, PROJECT, event, id, text, wire};
use kitty_teamspace::NewAccount;
use serde_json::{Value, json};

fn sequence_of_ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| text(&event["envelope"]["event_id"]))
        .collect()
}

#[actix_web::test]
async fn pages_follow_the_order_of_arrival_to_the_end_and_on() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let events: Vec<String> = (0..7).rev().map(wire).collect();
    house.deliver(&token, &events).await;
    let (mut after, mut seen, mut pages) = (0, Vec::new(), 0);
    loop {
        let path = format!("/api/v1/events?limit=3&after={after}");
        let page = house.get(&path, &token).await.expect(200);
        seen.extend(sequence_of_ids(&page));
        after = page["next_after"].as_i64().unwrap();
        pages += 1;
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (0..7).rev().map(id).collect::<Vec<_>>());
    let path = format!("/api/v1/events?after={after}");
    let nothing_new = house.get(&path, &token).await.expect(200);
    assert_eq!(nothing_new["next_after"], after);
    house.deliver(&token, &[wire(9)]).await;
    assert_eq!(
        sequence_of_ids(&house.get(&path, &token).await.expect(200)),
        [id(9)]
    );
}

#[actix_web::test]
async fn a_page_ends_early_when_its_envelopes_are_large_but_holds_at_least_one() {
    let house = House::start_with(|options| options.limits.max_page_bytes = 10).await;
    let token = house.token(OWNER).await;
    house.deliver(&token, &[wire(1), wire(2)]).await;
    let page = house.get("/api/v1/events", &token).await.expect(200);
    assert_eq!(sequence_of_ids(&page), [id(1)]);
    assert_eq!(page["has_more"], true);
}

fn mission(number: usize, project: &str) -> Value {
    let mut mission = event(number);
    mission["event_type"] = json!("MissionCreated");
    mission["aggregate_type"] = json!("Mission");
    mission["aggregate_id"] = json!(id(500 + number));
    mission["project_uuid"] = json!(project);
    mission["payload"] = json!({
        "created_at": "2026-11-20T20:34:14.651247+00:00", "friendly_name": "Third",
        "mission_id": id(500 + number), "mission_number": null,
        "mission_slug": "third-thing-01M7XAND", "mission_type": "software-dev",
        "purpose_context": "A demo context.", "purpose_tldr": "Do a demo",
        "target_branch": "work", "wp_count": 0
    });
    mission
}

#[actix_web::test]
async fn filters_counts_projects_and_missions_agree() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let other = "00000000-0000-4000-8000-000000000001";
    let mut elsewhere = event(3);
    elsewhere["project_uuid"] = json!(other.to_uppercase());
    elsewhere["project_slug"] = Value::Null;
    elsewhere["timestamp"] = json!("2026-11-21T01:00:00+02:00");
    let events = [mission(1, PROJECT), event(2), elsewhere].map(|event| event.to_string());
    let results = house.deliver(&token, &events).await;
    assert!(
        results.iter().all(|result| result["status"] == "success"),
        "{results:?}"
    );

    let read = async |path: &str| house.get(path, &token).await.expect(200);
    let by_type = read("/api/v1/events?type=MissionCreated").await;
    assert_eq!(sequence_of_ids(&by_type), [id(1)]);
    for spelling in [other.to_owned(), other.to_uppercase()] {
        let by_project = read(&format!("/api/v1/events?project={spelling}")).await;
        assert_eq!(sequence_of_ids(&by_project), [id(3)]);
    }
    let projects = read("/api/v1/projects").await["projects"].clone();
    let counts: Vec<(&str, i64)> = projects
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            (
                p["project_uuid"].as_str().unwrap(),
                p["events"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [(other, 1), (PROJECT, 2)]);
    let summary = read("/api/v1/summary").await;
    assert_eq!(summary["events"], 3);
    assert_eq!(
        summary["projects"][0],
        json!({"project_uuid": PROJECT, "events": 2})
    );
    assert_eq!(
        summary["types"][0],
        json!({"event_type": "WPStatusChanged", "events": 2})
    );
    assert_eq!(summary["builds"][0]["events"], 3);
    assert_eq!(summary["earliest"], "2026-11-20T20:00:00+00:00");
    assert_eq!(summary["latest"], "2026-11-20T23:00:00+00:00");
    let missions = read("/api/v1/missions").await["missions"].clone();
    assert_eq!(missions.as_array().unwrap().len(), 1);
    assert_eq!(missions[0]["friendly_name"], "Third");
    assert_eq!(missions[0]["mission_id"], id(501));
    assert_eq!(missions[0]["mission_number"], Value::Null);
    let none = read(&format!("/api/v1/missions?project={other}")).await;
    assert_eq!(none["missions"], json!([]));
}

#[actix_web::test]
async fn a_mission_is_shown_with_its_work_packages_where_they_moved_last() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let moved = |number: usize, package: &str, lane: &str, at: &str| {
        let mut moved = event(number);
        let from = match lane {
            "in_progress" => "claimed",
            "blocked" => "in_progress",
            _ => "planned",
        };
        moved["payload"]["from_lane"] = json!(from);
        moved["payload"]["wp_id"] = json!(package);
        moved["payload"]["to_lane"] = json!(lane);
        moved["timestamp"] = json!(at);
        moved
    };
    let mut elsewhere = moved(8, "WP01", "canceled", "2026-11-20T23:00:00+00:00");
    elsewhere["project_uuid"] = json!("00000000-0000-4000-8000-000000000001");
    let mut another = moved(9, "WP01", "canceled", "2026-11-20T23:00:00+00:00");
    another["payload"]["mission_slug"] = json!("another-01M7XANE");
    // A machine that was offline delivers its earlier move last.
    let events = [
        mission(1, PROJECT),
        moved(2, "WP02", "claimed", "2026-11-20T20:00:00+00:00"),
        moved(3, "WP01", "blocked", "2026-11-20T22:00:00+00:00"),
        elsewhere,
        another,
        moved(4, "WP01", "in_progress", "2026-11-20T21:00:00+00:00"),
    ];
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    let results = house.deliver(&token, &events).await;
    let stored = |result: &Value| result["status"] == "success";
    assert!(results.iter().all(stored), "{results:?}");
    let path = "/api/v1/missions/third-thing-01M7XAND";
    let upper = format!("{path}?project={}", PROJECT.to_uppercase());
    for path in [path, &upper] {
        let shown = house.get(path, &token).await.expect(200);
        assert_eq!(shown["mission"]["mission_id"], id(501));
        let lanes: Vec<(&Value, &Value)> = shown["work_packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (&it["wp_id"], &it["lane"]))
            .collect();
        let (first, second) = (json!("WP01"), json!("WP02"));
        let (blocked, claimed) = (json!("blocked"), json!("claimed"));
        assert_eq!(lanes, [(&first, &blocked), (&second, &claimed)], "{shown}");
    }
    let elsewhere = format!("{path}?project=00000000-0000-4000-8000-000000000001");
    for unknown in ["/api/v1/missions/third", &elsewhere] {
        let refused = house.get(unknown, &token).await;
        refused.refuses(404, "mission_not_found");
    }
}

#[actix_web::test]
async fn an_empty_team_reads_as_empty() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let read = async |path: &str| house.get(path, &token).await.expect(200);
    assert_eq!(read("/api/v1/events").await["events"], json!([]));
    assert_eq!(read("/api/v1/projects").await["projects"], json!([]));
    assert_eq!(read("/api/v1/missions").await["missions"], json!([]));
    let summary = read("/api/v1/summary").await;
    assert_eq!(summary["events"], 0);
    assert_eq!(summary["earliest"], Value::Null);
}

#[actix_web::test]
async fn parameters_of_a_wrong_form_are_refused() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let read = async |query: &str| house.get(&format!("/api/v1/events?{query}"), &token).await;
    for limit in ["0", "-1", "1001", "x", "99999999999999999999"] {
        read(&format!("limit={limit}"))
            .await
            .refuses(400, "invalid_limit");
    }
    for after in ["-1", "x", "1.5", "99999999999999999999"] {
        read(&format!("after={after}"))
            .await
            .refuses(400, "invalid_cursor");
    }
    read("after=1&after=2")
        .await
        .refuses(400, "repeated_parameter");
    read("team=nobody").await.refuses(404, "team_not_found");
    read("limit=1000&unknown=1").await.expect(200);
}

#[actix_web::test]
async fn nobody_reads_what_another_team_has_received() {
    let house = House::start().await;
    let administration = house.server.administration();
    for name in ["ann", "ben"] {
        let email = format!("{name}@example.com");
        let account = NewAccount::new(email, name)
            .with_private_team()
            .shared_team("crew", "Crew");
        administration.create_account(account).await.unwrap();
    }
    let ann = house.token("ann@example.com").await;
    let ben = house.token("ben@example.com").await;
    let mut secret = event(1);
    secret["payload"]["mission_slug"] = json!("annes-secret");
    house
        .deliver(&ann, &[secret.to_string(), mission(2, PROJECT).to_string()])
        .await;
    let ann_team = administration.accounts().await.unwrap()[0]
        .private_team()
        .unwrap()
        .id
        .clone();

    let paths = [
        "events",
        "projects",
        "missions",
        "missions/third-thing-01M7XAND",
        "summary",
    ];
    let paths = paths.map(|p| format!("/api/v1/{p}"));
    for path in paths.iter().chain(&[format!("/api/v1/events/{}", id(1))]) {
        for team in ["", "?team=crew", "?team=ben-private"] {
            let answer: Answer = house.get(&format!("{path}{team}"), &ben).await;
            let body = answer.text();
            for word in ["annes-secret", PROJECT, "Third", "WPStatusChanged"] {
                assert!(!body.contains(word), "{path}{team}: {body}");
            }
        }
        for team in ["ann-private", ann_team.as_str(), "owner-private"] {
            let answer = house.get(&format!("{path}?team={team}"), &ben).await;
            answer.refuses(404, "team_not_found");
        }
        house
            .send("GET", path, &[], Vec::new())
            .await
            .refuses(401, "token_missing");
    }
    // One event id in two teams is two events.
    let results = house.deliver(&ben, &[wire(1)]).await;
    assert_eq!(results[0]["status"], "success");
    let path = format!("/api/v1/events/{}", id(1));
    assert_eq!(house.get(&path, &ben).await.text(), wire(1));
    assert_eq!(house.get(&path, &ann).await.text(), secret.to_string());
    let by_slug = house
        .get("/api/v1/summary?team=ann-private", &ann)
        .await
        .expect(200);
    assert_eq!(by_slug["events"], 2);
}
