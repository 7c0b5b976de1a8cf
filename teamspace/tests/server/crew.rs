//! A team with a tracker, and a member who works with it.

use crate::house::{Answer, House, PROJECT, text};
use kitty_teamspace::{IssueSeed, NewAccount, Options};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const ANN: &str = "ann@example.com";

pub(crate) struct Crew {
    pub(crate) house: House,
    pub(crate) token: String,
    pub(crate) team_id: String,
    keys: AtomicUsize,
}

/// The identity of a project, as the contract wants it.
pub(crate) fn identity(uuid: &str, slug: &str) -> Value {
    json!({
        "uuid": uuid, "slug": slug, "node_id": "b805cd5cee74", "repo_slug": null,
        "build_id": "c4ad781d-049b-5533-a459-64c1ad68b1ce"
    })
}

impl Crew {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let house = House::start_with(change).await;
        let administration = house.server.administration();
        let ann = NewAccount::new(ANN, "Ann")
            .with_private_team()
            .shared_team("crew", "The crew");
        let account = administration.create_account(ann).await.unwrap();
        let shared = account
            .teams
            .iter()
            .find(|team| team.slug == "crew")
            .unwrap();
        let seed = IssueSeed::sample().unwrap();
        administration.seed_issues("crew", &seed).await.unwrap();
        Self {
            token: house.token(ANN).await,
            team_id: shared.id.clone(),
            keys: AtomicUsize::new(0),
            house,
        }
    }

    /// Seeds a Linear team with numbered issues.
    pub(crate) async fn seed_many(&self, issues: usize) {
        let issues: Vec<Value> = (1..=issues)
            .map(|number| json!({"key": format!("BIG-{number}"), "title": format!("Issue {number}")}))
            .collect();
        let seed = json!({"resources": [
            {"provider": "jira", "key": "BIG", "name": "Big", "issues": issues}
        ]});
        let seed = IssueSeed::parse(&seed.to_string()).unwrap();
        self.house
            .server
            .administration()
            .seed_issues("crew", &seed)
            .await
            .unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-team-slug", &self.team_id),
        ];
        let path = format!("/api/v1/tracker/{path}");
        self.house.send("GET", &path, &headers, Vec::new()).await
    }

    /// Posts with an idempotency key of its own.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let number = self.keys.fetch_add(1, Ordering::SeqCst);
        self.post_as(path, &format!("logical-operation:write:{number}"), body)
            .await
    }

    pub(crate) async fn post_as(&self, path: &str, key: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-team-slug", &self.team_id),
            ("idempotency-key", key),
            ("content-type", "application/json"),
        ];
        let path = format!("/api/v1/tracker/{path}");
        self.house
            .send("POST", &path, &headers, body.to_string().into_bytes())
            .await
    }

    /// Binds the project to the resource of this label and returns the reference.
    pub(crate) async fn bind(&self, provider: &str, label: &str) -> String {
        let resources = self
            .get(&format!("resources/?provider={provider}"))
            .await
            .expect(200);
        let list = resources["resources"].as_array().unwrap();
        let resource = list
            .iter()
            .find(|resource| resource["display_label"] == label)
            .unwrap();
        let body = json!({
            "provider": provider,
            "candidate_token": resource["candidate_token"],
            "project_identity": identity(PROJECT, "demo-repo"),
        });
        text(&self.post("bind-confirm/", &body).await.expect(200)["binding_ref"])
    }

    /// Asks for an operation until it has ended.
    pub(crate) async fn finished(&self, operation_id: &str) -> Value {
        let asking = async {
            loop {
                let path = format!("operations/{operation_id}/");
                let operation = self.get(&path).await.expect(200);
                match operation["status"].as_str().unwrap() {
                    "pending" | "running" => actix_web::rt::task::yield_now().await,
                    _ => return operation,
                }
            }
        };
        let deadline = std::time::Duration::from_secs(30);
        actix_web::rt::time::timeout(deadline, asking)
            .await
            .unwrap()
    }
}
