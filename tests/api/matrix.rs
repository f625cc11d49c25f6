//! The table of `docs/authorization-requests.md`, every combination of it, over HTTP.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use stepgate::assurance::factors::SecondFactor;

const PROMPTS: [&str; 5] = ["–", "none", "login", "consent", "select_account"];
const AGES: [&str; 4] = ["–", "0", "60", "3600"];
const CLASSES: [&str; 5] = ["–", "pwd", "mfa", "phr", "unknown"];
const SESSIONS: [&str; 4] = ["–", "fresh", "old", "strong"];
const CONSENTS: [&str; 2] = ["given", "open"];

/// A row: what it fits, and what comes.
type Rule = [String; 6];

fn rules() -> Vec<Rule> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authorization-requests.md");
    let document = fs::read_to_string(path).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| prompt"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
        cells.collect::<Vec<_>>().try_into().unwrap()
    })
    .collect()
}

fn fits(rule: &Rule, combination: &[&str; 5]) -> bool {
    let fits = |(cell, value): (&String, &&str)| cell == "*" || cell.split('/').any(|cell| cell == *value);
    rule.iter().zip(combination).all(fits)
}

fn request([prompt, max_age, acr, _, consent]: &[&str; 5]) -> Request {
    let acr = match *acr {
        "pwd" | "mfa" => format!("urn:stepgate:acr:{acr}"),
        acr => acr.to_owned(),
    };
    let client = if *consent == "open" { "asks" } else { "rp" };
    let wishes = [("prompt", *prompt), ("max_age", *max_age), ("acr_values", &acr)];
    let wishes = wishes.into_iter().filter(|(_, value)| *value != "–");
    wishes.fold(Request::new().with("client_id", client), |request, (name, value)| request.with(name, value))
}

/// What came, in the words of the table.
async fn happened(app: &TestApp, reply: &Reply) -> String {
    match reply.outcome().as_str() {
        "code" => {
            let tokens: Value = serde_json::from_str(&redeem(app, &code(reply)).await.body).unwrap();
            let claims = app.app.keys.verify(tokens["id_token"].as_str().unwrap()).unwrap().claims;
            let acr = claims["acr"].as_str().unwrap().trim_start_matches("urn:stepgate:acr:");
            format!("code, acr `{acr}`")
        }
        page if reply.location().is_none() => format!("page `{page}`"),
        error => format!("error `{error}`"),
    }
}

/// A browser for each kind of session.
async fn browsers(app: &TestApp) -> [Browser; 4] {
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let old = Browser::signed_in(app, &ada).await;
    app.clock.advance(290);
    let (fresh, mut strong) = (Browser::signed_in(app, &ada).await, Browser::signed_in(app, &ada).await);
    let page = strong.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
    assert_eq!(strong.submit(&page, &[("code", &ada.code(app))]).await.outcome(), "code");
    app.clock.advance(10);
    [Browser::new(app), fresh, old, strong]
}

#[tokio::test]
async fn every_combination_gets_what_the_table_says() {
    let app = TestApp::spawn().await;
    app.client("asks", json!({"skip_consent": false})).await;
    let browsers = browsers(&app).await;
    let rules = rules();
    let (mut used, mut sent, mut wrong) = (BTreeSet::new(), 0, Vec::new());
    for prompt in PROMPTS {
        for max_age in AGES {
            for acr in CLASSES {
                for (session, browser) in SESSIONS.iter().zip(&browsers) {
                    for consent in CONSENTS {
                        let combination = [prompt, max_age, acr, session, consent];
                        let rule = rules.iter().position(|rule| fits(rule, &combination)).unwrap();
                        used.insert(rule);
                        let mut browser = browser.clone();
                        let reply = browser.open(&request(&combination).path()).await;
                        let came = happened(&app, &reply).await;
                        if came != rules[rule][5] {
                            wrong.push(format!("{combination:?}: {came}, not {}", rules[rule][5]));
                        }
                        sent += 1;
                        if browser.cookie.is_some() && *session == "–" {
                            // Fifty open sign-ins are the most for one source.
                            let page = browser.get(&reply.path).await;
                            browser.submit(&page, &[("action", "decline")]).await;
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {sent}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((sent, used.len()), (800, rules.len()), "every row is needed");
}
