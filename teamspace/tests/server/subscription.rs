//! Live events: a subscriber is sent every event of its team, once and in order, and no other.

use crate::house::{House, OWNER, id, text, wire};
use crate::websocket::{Line, connect};
use awc::ws::{CloseCode, Frame};
use futures_util::join;
use kitty_teamspace::NewAccount;
use serde_json::{Value, json};
use std::time::Duration;

/// Subscribes and returns the place at which the subscription begins.
async fn subscribe(line: &mut Line, after: Value) -> i64 {
    let wish = json!({"type": "subscribe", "after": after});
    line.say(wish.to_string()).await;
    let begun = line.hear().await;
    assert_eq!(begun["type"], "subscribed", "{begun}");
    begun["after"].as_i64().unwrap()
}

/// Hears so many events and answers the pings between them.
async fn events(line: &mut Line, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        match line.frame().await {
            Some(Frame::Text(content)) => {
                let frame: Value = serde_json::from_slice(&content).unwrap();
                if frame["type"] == "event" {
                    events.push(frame);
                }
            }
            Some(Frame::Ping(content)) => line.pong(content).await,
            other => panic!("{other:?}"),
        }
    }
    events
}

fn ids(frames: &[Value]) -> Vec<String> {
    let id = |frame: &Value| text(&frame["event"]["event_id"]);
    frames.iter().map(id).collect()
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(id).collect()
}

#[actix_web::test]
async fn a_subscriber_hears_every_event_once_in_the_order_of_the_reading_api() {
    let house = House::start_with(|options| options.workers = 4).await;
    let token = house.token(OWNER).await;
    house.deliver(&token, &[wire(0)]).await;
    let (mut subscriber, snapshot) = connect(&house, &token).await;
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(snapshot["events"], 1);
    let begun = subscribe(&mut subscriber, Value::Null).await;
    let (mut one, _) = connect(&house, &token).await;
    // Two batches, one of them twice and longer than a burst, and single events over another line.
    let batches = async {
        let many: Vec<String> = (1..60).map(wire).collect();
        house.deliver(&token, &many).await;
        house.deliver(&token, &many).await;
    };
    let singles = async {
        for number in 60..80 {
            assert_eq!(one.tell(&wire(number)).await["status"], "accepted");
        }
    };
    let (heard, (), ()) = join!(events(&mut subscriber, 79), batches, singles);
    let listed = house
        .get("/api/v1/events?limit=500", &token)
        .await
        .expect(200);
    let listed = listed["events"].as_array().unwrap();
    assert_eq!(begun, listed[0]["sequence"].as_i64().unwrap());
    assert_eq!(listed.len(), 80);
    for (frame, item) in heard.iter().zip(&listed[1..]) {
        assert_eq!(frame["sequence"], item["sequence"]);
        assert_eq!(frame["received_at"], item["received_at"]);
        assert_eq!(frame["event"], item["envelope"]);
    }
    // What follows is the next event, so that none of before came twice.
    house.deliver(&token, &[wire(80)]).await;
    assert_eq!(ids(&events(&mut subscriber, 1).await), [id(80)]);
    // The line that did not subscribe has heard acknowledgements only; its next frame is one as well.
    assert_eq!(one.tell(&wire(80)).await["status"], "duplicate");
}

#[actix_web::test]
async fn a_subscription_goes_on_after_a_place_and_speaks_beside_it() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let all: Vec<String> = (0..40).map(wire).collect();
    house.deliver(&token, &all).await;
    let (mut line, _) = connect(&house, &token).await;
    assert_eq!(subscribe(&mut line, json!(0)).await, 0);
    let heard = events(&mut line, 40).await;
    assert_eq!(ids(&heard), numbered(0..40));
    let place = heard[29]["sequence"].clone();
    let (mut later, _) = connect(&house, &token).await;
    subscribe(&mut later, place).await;
    assert_eq!(ids(&events(&mut later, 10).await), numbered(30..40));
    // A place of a store that is not this one is the end of this one.
    let (mut beyond, _) = connect(&house, &token).await;
    let last = heard[39]["sequence"].as_i64().unwrap();
    assert_eq!(subscribe(&mut beyond, json!(1_000_000)).await, last);
    // A subscriber may send events, and hears its own.
    beyond
        .say(format!("{{\"type\":\"event\",\"event\":{}}}", wire(40)))
        .await;
    let acknowledged = beyond.hear().await;
    assert_eq!(acknowledged["status"], "accepted", "{acknowledged}");
    assert_eq!(ids(&events(&mut beyond, 1).await), [id(40)]);
    for wish in [
        json!({"type": "subscribe"}),
        json!({"type": "subscribe", "after": -1}),
        json!({"type": "subscribe", "after": "x"}),
    ] {
        later.say(wish.to_string()).await;
        let refused = loop {
            match later.frame().await {
                Some(Frame::Text(content)) => {
                    let frame: Value = serde_json::from_slice(&content).unwrap();
                    if frame["type"] != "event" {
                        break frame;
                    }
                }
                Some(Frame::Ping(content)) => later.pong(content).await,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused["error_code"], "invalid_frame", "{refused}");
    }
}

#[actix_web::test]
async fn nobody_hears_the_events_of_another_team() {
    let house = House::start().await;
    let ann = NewAccount::new("ann@example.com", "Ann").with_private_team();
    let administration = house.server.administration();
    administration.create_account(ann).await.unwrap();
    let owner = house.token(OWNER).await;
    let ann = house.token("ann@example.com").await;
    let (mut hears_owner, _) = connect(&house, &owner).await;
    let (mut hears_ann, _) = connect(&house, &ann).await;
    subscribe(&mut hears_owner, json!(0)).await;
    subscribe(&mut hears_ann, json!(0)).await;
    for number in 0..30 {
        let whose = if number % 2 == 0 { &owner } else { &ann };
        house.deliver(whose, &[wire(number)]).await;
    }
    let even: Vec<String> = (0..30).step_by(2).map(id).collect();
    let odd: Vec<String> = (1..30).step_by(2).map(id).collect();
    assert_eq!(ids(&events(&mut hears_owner, 15).await), even);
    assert_eq!(ids(&events(&mut hears_ann, 15).await), odd);
    // The same id in both teams is an event of each.
    house.deliver(&owner, &[wire(30)]).await;
    house.deliver(&ann, &[wire(31)]).await;
    assert_eq!(ids(&events(&mut hears_owner, 1).await), [id(30)]);
    assert_eq!(ids(&events(&mut hears_ann, 1).await), [id(31)]);
}

#[actix_web::test]
async fn a_subscriber_that_does_not_read_is_told_where_to_go_on_and_holds_up_nobody() {
    let house = House::start_with(|options| {
        options.limits.subscriber_deadline = Duration::from_millis(50);
    })
    .await;
    let token = house.token(OWNER).await;
    let (mut slow, _) = connect(&house, &token).await;
    subscribe(&mut slow, json!(0)).await;
    house.deliver(&token, &[wire(0)]).await;
    let first = events(&mut slow, 1).await;
    let Some(Frame::Ping(content)) = slow.frame().await else {
        panic!("a burst ends with a ping");
    };
    slow.pong(content).await;
    let many: Vec<String> = (1..1_000).map(wire).collect();
    house.deliver(&token, &many).await;
    // From here on it answers no ping: it gets one burst, and then the end with a place.
    let (mut heard, mut reason) = (0, None);
    while let Some(frame) = slow.frame().await {
        match frame {
            Frame::Text(content) => {
                let frame: Value = serde_json::from_slice(&content).unwrap();
                heard += usize::from(frame["type"] == "event");
            }
            Frame::Ping(_) => {}
            Frame::Close(why) => reason = why,
            other => panic!("{other:?}"),
        }
    }
    let reason = reason.unwrap();
    assert_eq!(reason.code, CloseCode::Again);
    assert!((1..=16).contains(&heard), "{heard} events of a thousand");
    let place = first[0]["sequence"].as_i64().unwrap();
    let told = format!("read too slowly; go on with /api/v1/events?after={place}");
    assert_eq!(reason.description.as_deref(), Some(told.as_str()));
    let path = format!("/api/v1/events?after={place}&limit=1000");
    let rest = house.get(&path, &token).await.expect(200);
    assert_eq!(rest["events"].as_array().unwrap().len(), 999);
    let (mut again, _) = connect(&house, &token).await;
    subscribe(&mut again, rest["next_after"].clone()).await;
    house.deliver(&token, &[wire(1_000)]).await;
    assert_eq!(ids(&events(&mut again, 1).await), [id(1_000)]);
}

#[actix_web::test]
async fn a_subscriber_whose_session_ended_hears_nothing_more() {
    let house = House::start().await;
    let (leaving, staying) = (house.token(OWNER).await, house.token(OWNER).await);
    let (mut line, _) = connect(&house, &leaving).await;
    subscribe(&mut line, json!(0)).await;
    house.deliver(&staying, &[wire(0)]).await;
    assert_eq!(ids(&events(&mut line, 1).await), [id(0)]);
    let Some(Frame::Ping(content)) = line.frame().await else {
        panic!("a burst ends with a ping");
    };
    line.pong(content).await;
    house
        .server
        .administration()
        .revoke_sessions(OWNER)
        .await
        .unwrap();
    let staying = house.token(OWNER).await;
    house.deliver(&staying, &[wire(1)]).await;
    loop {
        match line.frame().await {
            Some(Frame::Close(why)) => {
                assert_eq!(why.unwrap().code, CloseCode::Policy);
                break;
            }
            Some(Frame::Text(content)) => {
                let frame: Value = serde_json::from_slice(&content).unwrap();
                assert_eq!(frame["type"], "ping", "{frame}");
            }
            other => panic!("{other:?}"),
        }
    }
}
