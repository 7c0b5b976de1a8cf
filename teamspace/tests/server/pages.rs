//! The pages a person sees.

use crate::house::{Answer, House, OWNER, event, wire};
use kitty_teamspace::NewAccount;
use serde_json::json;

impl House {
    async fn sign_in(&self, email: &str, key: &str) -> Answer {
        self.form("/sign-in", &[("email", email), ("approval_key", key)])
            .await
    }

    async fn page(&self, cookie: &str) -> String {
        let answer = self
            .send("GET", "/", &[("cookie", cookie)], Vec::new())
            .await;
        assert_eq!(answer.status, 200);
        answer.text()
    }
}

fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn the_overview_shows_a_signed_in_account_its_own_teams_only() {
    let house = House::start().await;
    let ann = NewAccount::new("ann@example.com", "Ann").with_private_team();
    house
        .server
        .administration()
        .create_account(ann)
        .await
        .unwrap();
    let token = house.token(OWNER).await;
    let mut marked = event(1);
    marked["project_slug"] = json!("<b>demo</b>");
    house.deliver(&token, &[wire(2), marked.to_string()]).await;

    let stranger = house.page("teamspace_page=guess").await;
    for hidden in ["demo", OWNER, "WPStatusChanged", "owner-private"] {
        assert!(!stranger.contains(hidden), "{hidden}");
    }
    let key = house.key();
    let signed_in = house.sign_in(OWNER, &key).await;
    assert_eq!(signed_in.status, 303);
    let cookie_of_owner = cookie(&signed_in);
    let page = house.page(&cookie_of_owner).await;
    assert!(
        page.contains("&lt;b&gt;demo&lt;/b&gt;") && !page.contains("<b>demo"),
        "{page}"
    );
    assert!(page.contains("WPStatusChanged") && page.contains("owner-private"));
    assert!(!page.contains(&key));
    let page = house
        .page(&cookie(&house.sign_in("ann@example.com", &key).await))
        .await;
    assert!(page.contains("ann-private"));
    assert!(!page.contains("owner-private") && !page.contains("WPStatusChanged"));

    let headers = [("cookie", cookie_of_owner.as_str())];
    house.send("POST", "/sign-out", &headers, Vec::new()).await;
    assert!(house.page(&cookie_of_owner).await.contains("Sign in"));
}

#[actix_web::test]
async fn signing_in_needs_the_key_and_ends_with_its_session() {
    let house = House::start().await;
    assert_eq!(house.sign_in(OWNER, "wrong").await.status, 403);
    assert_eq!(
        house
            .sign_in("nobody@example.com", &house.key())
            .await
            .status,
        404
    );
    let signed_in = cookie(&house.sign_in(OWNER, &house.key()).await);
    assert!(house.page(&signed_in).await.contains("Signed in as"));
    house.time.pass(std::time::Duration::from_secs(8 * 3_600));
    assert!(!house.page(&signed_in).await.contains("Signed in as"));
}

#[actix_web::test]
async fn pages_carry_labels_for_every_field_and_load_nothing_foreign() {
    let house = House::start().await;
    for path in ["/", "/device?user_code=%22%3E%3Cscript%3E"] {
        let answer = house.send("GET", path, &[], Vec::new()).await;
        let page = answer.text();
        assert!(
            page.starts_with("<!doctype html>\n<html lang=\"en\">"),
            "{page}"
        );
        assert!(!page.contains("<script"), "{page}");
        for field in page.split("<input id=\"").skip(1) {
            let id = field.split('"').next().unwrap();
            assert!(page.contains(&format!("<label for=\"{id}\">")), "{id}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{policy}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    }
    let style = house.send("GET", "/style.css", &[], Vec::new()).await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
}
