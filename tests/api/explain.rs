//! What `stepgate explain` says is what `/authorize` does.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::program::Place;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem;
use serde_json::Value;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::secret::Secret;
use stepgate::base::time::Clock;
use stepgate::cli::explain::explained;
use stepgate::store::sessions;
use stepgate::store::sessions::Session;

/// A generator of no great chance (xorshift64*): every run is the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }

    /// One of these, or none.
    fn maybe<'a>(&mut self, of: &[&'a str]) -> Option<&'a str> {
        of.get(self.below(of.len() * 2)).copied()
    }
}

fn request(chance: &mut Chance, hint: &str) -> Request {
    let essential =
        |acr: &str| format!("{{\"id_token\":{{\"acr\":{{\"essential\":true,\"value\":\"{acr}\"}}}}}}");
    let claims = [
        essential("phr"),
        essential("urn:stepgate:acr:mfa"),
        "{\"id_token\":{\"acr\":null}}".into(),
        "{".into(),
    ];
    let claims = claims.iter().map(String::as_str).collect::<Vec<_>>();
    let mut request = Request::new();
    for (name, values) in [
        (
            "prompt",
            &[
                "none",
                "none",
                "none",
                "none",
                "none",
                "login",
                "consent",
                "select_account",
                "none login",
                "create",
            ][..],
        ),
        ("max_age", &["0", "5", "60", "60", "3600", "3600", "3600", "-1"]),
        (
            "acr_values",
            &[
                "urn:stepgate:acr:pwd",
                "urn:stepgate:acr:mfa",
                "urn:stepgate:acr:mfa",
                "urn:stepgate:acr:mfa",
                "phr",
                "phr urn:stepgate:acr:pwd",
                "unknown",
            ],
        ),
        ("claims", &claims),
        ("scope", &["openid", "openid email", "openid offline_access", "none of ours"]),
        ("client_id", &["rp", "floor", "asks", "asks", "asks", "asks", "asks", "asks", "asks", "nobody"]),
        ("id_token_hint", &[hint, hint, hint, "x"]),
    ] {
        // Half of the parameters twice as rarely: most requests shall get past the parse.
        if chance.below(2) == 0
            && let Some(value) = chance.maybe(values)
        {
            request = request.with(name, value);
        }
    }
    match chance.below(40) {
        0 => request.with("redirect_uri", "https://evil.test/cb"),
        1 => request.without("code_challenge"),
        2 => request.with("response_type", "token"),
        3 => request.and("max_age", "1").and("max_age", "2"),
        _ => request,
    }
}

/// What came, in the words of `explain`.
async fn happened(app: &TestApp, reply: &Reply) -> Value {
    if reply.page() == "error" {
        return json!({"outcome": "error page"});
    }
    match reply.outcome().as_str() {
        "code" => {
            let tokens: Value = serde_json::from_str(&redeem(app, &code(reply)).await.body).unwrap();
            let Some(token) = tokens["access_token"].as_str() else { return json!({"outcome": "code"}) };
            let claims = Value::Object(app.app.keys.verify(token).unwrap().claims);
            json!({"outcome": "code", "acr": claims["acr"], "amr": claims["amr"], "auth_time": claims["auth_time"]})
        }
        page if reply.location().is_none() => json!({"outcome": "page", "page": page}),
        error => json!({"outcome": "error", "error": error}),
    }
}

/// The same, of what `explain` said; a code of another client than `rp` can't be redeemed here.
fn told(explained: &Value, like: &Value) -> Value {
    let answer = explained.get("answers").map_or(explained, |answers| &answers[0]);
    let members = like.as_object().unwrap().keys();
    members.map(|name| (name.clone(), answer[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

async fn session(app: &TestApp, browser: &Browser) -> Session {
    let hash = Secret::presented(browser.cookie.as_ref().unwrap()).hash();
    let (life, now) = (app.app.session_life(), app.clock.now());
    let found = app.app.store.read(move |c| sessions::browser(c, &hash, life, now)).await.unwrap();
    found.unwrap().sessions.remove(0)
}

#[tokio::test]
async fn two_hundred_requests_get_what_was_explained() {
    let app = TestApp::spawn().await;
    app.client("floor", json!({"minimum_acr": "urn:stepgate:acr:mfa", "maximum_age": 30})).await;
    app.client("asks", json!({"skip_consent": false})).await;
    let (ada, bob) = (app.user_with_totp("ada", SecondFactor::StepUp).await, app.user("bob").await);
    let eve = app.user_with_totp("eve", SecondFactor::StepUp).await;
    let mut full = Browser::signed_in(&app, &ada).await;
    let page = full.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
    let answer = full.submit(&page, &[("code", &ada.code(&app))]).await;
    let hint: Value = serde_json::from_str(&redeem(&app, &code(&answer)).await.body).unwrap();
    let (plain, half) = (Browser::signed_in(&app, &bob).await, Browser::signed_in(&app, &eve).await);
    app.clock.advance(20);
    let browsers = [Browser::new(&app), full, plain, half];
    let mut chance = Chance(0x5EED);
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for n in 0..200 {
        let browser = &browsers[n % 4];
        let session = if n % 4 == 0 { None } else { Some(session(&app, browser).await) };
        let request = request(&mut chance, hint["id_token"].as_str().unwrap());
        let explained = explained(&app.app, &request.query(), &[session]).await.unwrap();
        let happened = happened(&app, &browser.clone().open(&request.path()).await).await;
        assert_eq!(told(&explained, &happened), happened, "{}\n{explained}", request.query());
        let kind = ["error", "page"].iter().find_map(|name| happened[name].as_str());
        *seen.entry(kind.unwrap_or(happened["outcome"].as_str().unwrap()).to_owned()).or_default() += 1;
    }
    for kind in [
        "code",
        "login",
        "password",
        "totp",
        "consent",
        "select-account",
        "login_required",
        "consent_required",
        "unmet_authentication_requirements",
        "invalid_request",
        "error page",
    ] {
        assert!(seen.contains_key(kind), "{kind} never came: {seen:?}");
    }
}

#[test]
fn the_command_explains_in_words_and_in_json_and_changes_nothing() {
    let place = Place::new();
    place.says(&["user", "add", "ada", "--password-stdin"], "correct horse");
    let client = json!({"client_id": "shop", "redirect_uris": [CALLBACK]}).to_string();
    place.says(&["client", "add"], &client);
    let lines = place.says(&["audit"], "").as_array().unwrap().len();
    let query = format!(
        "response_type=code&redirect_uri={CALLBACK}&code_challenge={0}&code_challenge_method=S256&scope=openid",
        "x".repeat(43)
    );
    let own = ["explain", "--user", "ada", "--client", "shop"];
    let ask = |more: &str| {
        [&own[..], &[&format!("https://op.test/authorize?{query}{more}")]]
            .concat()
            .iter()
            .map(|s| (*s).to_owned())
            .collect::<Vec<_>>()
    };
    let json = |more: &str| place.says(&ask(more).iter().map(String::as_str).collect::<Vec<_>>(), "");
    assert_eq!(json("&max_age=60")["answers"], json!([{"outcome": "page", "page": "login"}]));
    assert_eq!(json("&max_age=60")["need"]["max_age"], json!(60));
    assert_eq!(json("&prompt=none")["answers"][0]["error"], "login_required");
    assert_eq!(json("&max_age=soon")["error"], "invalid_request");
    let words = place.output(&ask("&acr_values=phr").iter().map(String::as_str).collect::<Vec<_>>(), "");
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("Where nobody is signed in: the page login"), "{words}");
    let nobody = place.complains(&["explain", "--user", "bob", "--client", "shop", "x"], "");
    assert!(nobody.contains("no user is named"), "{nobody}");
    assert_eq!(place.says(&["audit"], "").as_array().unwrap().len(), lines);
}

#[tokio::test]
async fn the_command_explains_what_one_session_would_get_and_that_accounts_are_made_where_that_is_on() {
    let place = Place::new();
    place.says(&["user", "add", "ada", "--password-stdin"], PASSWORD);
    let client = json!({"client_id": "shop", "redirect_uris": [CALLBACK], "skip_consent": true}).to_string();
    place.says(&["client", "add"], &client);
    let _server = place.serve(&[]);
    let mut browser = Browser::at(&place.address());
    for _ in 0..2 {
        browser.cookie = None;
        let page = browser.open(&Request::new().with("client_id", "shop").path()).await;
        browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    }
    let sessions = place.says(&["session", "list", "ada"], "");
    let sids = [0, 1].map(|n| sessions[n]["sid"].as_str().unwrap().to_owned());
    let request = Request::new().without("client_id");
    let own = |sid: &'_ str, query: &'_ str| {
        ["explain", "--user", "ada", "--client", "shop", "--session", sid, query].map(str::to_owned)
    };
    let ask = |sid: &str, request: &Request| {
        place.says(&own(sid, &request.query()).each_ref().map(String::as_str), "")
    };
    for sid in &sids {
        let answers = ask(sid, &request)["answers"].clone();
        assert_eq!(answers.as_array().unwrap().len(), 1, "{answers}");
        let answer = &answers[0];
        assert_eq!((&answer["sid"], &answer["outcome"]), (&json!(sid), &json!("code")));
        assert_eq!((&answer["amr"], &answer["shown"][0]["method"]), (&json!(["pwd"]), &json!("pwd")));
        let anew = ask(sid, &request.clone().with("max_age", "0"));
        assert_eq!(anew["answers"][0]["page"], "password");
        let create = ask(sid, &request.clone().with("prompt", "create"));
        assert_eq!(create["error"], "invalid_request", "it is off");
    }
    let settings = "accounts.create = true\n[argon2]\nmemory_kib = 8\niterations = 1\n";
    std::fs::write(place.path("stepgate.toml"), settings).unwrap();
    let create = ask(&sids[0], &request.clone().with("prompt", "create"));
    let answer = &create["answers"][0];
    assert_eq!((&answer["outcome"], &answer["page"]), (&json!("page"), &json!("create")));
    place.says(&["session", "revoke", &sids[0]], "");
    let gone = place.complains(&own(&sids[0], "x").each_ref().map(String::as_str), "");
    assert!(gone.contains(&format!("no session {} of ada lives", sids[0])), "{gone}");
    assert_eq!(ask(&sids[1], &request)["answers"][0]["outcome"], "code");
}
