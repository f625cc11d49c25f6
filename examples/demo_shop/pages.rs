//! The shop's pages. askama escapes what it prints.

use super::payment::Receipt;
use super::session::Customer;
use askama::Template;
use chrono::DateTime;
use serde_json::Value;
use stepgate::base::entropy::SystemEntropy;
use stepgate::base::entropy::random;
use stepgate::base::secret::base64url;

pub struct Page {
    pub html: String,
    pub nonce: String,
}

/// One claim, as it is and in words.
struct Row {
    name: String,
    value: String,
    meaning: &'static str,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }} – Acme Shop</title>
<style nonce="{{ nonce }}">
:root{--ground:#fff8f0;--card:#fff;--ink:#241a10;--soft:#6b5c4d;--line:#d9c9b8;--main:#9a3f00;--on-main:#fff}
@media (prefers-color-scheme:dark){:root{--ground:#17120d;--card:#221b14;--ink:#f4ece3;--soft:#bfae9c;--line:#4a3d30;--main:#ffb27a;--on-main:#2b1300}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:42rem;margin:2rem auto;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .5rem;font-size:1.5rem}
form{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}
button{padding:.75rem 1.25rem;border:1px solid var(--main);border-radius:.5rem;background:var(--main);color:var(--on-main);font:inherit;font-weight:600;cursor:pointer}
button.quiet{background:none;color:inherit}
a{color:var(--main)}
:focus-visible{outline:3px solid var(--main);outline-offset:2px}
dl{margin:0}
dt{margin-top:.75rem;font-weight:600;font-family:ui-monospace,monospace}
dd{margin:0;overflow-wrap:anywhere}
.soft{color:var(--soft)}
</style>
</head>
<body data-page="{{ page }}">
<main>
<p class="soft">Acme Shop</p>
<h1>{{ title }}</h1>
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}{% if !csrf.is_empty() %}<form method="post" action="/"><input type="hidden" name="csrf" value="{{ csrf }}">
{% for (action, label) in buttons %}<button type="submit" name="action" value="{{ action }}"{% if !loop.first %} class="quiet"{% endif %}>{{ label }}</button>
{% endfor %}</form>{% else %}<p><a href="/">Back to the shop</a></p>{% endif %}
{% if !rows.is_empty() %}<h2>What the shop was told</h2>
<p class="soft">The claims of your ID token, which the shop has verified:</p>
<dl>{% for row in rows %}<dt>{{ row.name }}</dt><dd>{{ row.value }}</dd><dd class="soft">{{ row.meaning }}</dd>
{% endfor %}</dl>{% endif %}
</main>
</body>
</html>
"#
)]
struct Html<'a> {
    nonce: &'a str,
    page: &'static str,
    title: String,
    lines: Vec<String>,
    csrf: &'a str,
    buttons: &'static [(&'static str, &'static str)],
    rows: Vec<Row>,
}

pub fn home(csrf: &str) -> Result<Page, askama::Error> {
    render(
        "shop-home",
        "Welcome",
        vec!["One teapot, €49.00. Sign in to buy it.".into()],
        csrf,
        &[("sign-in", "Sign in")],
        vec![],
    )
}

pub fn account(customer: &Customer, csrf: &str) -> Result<Page, askama::Error> {
    let lines = vec!["One teapot is in your basket.".to_owned()];
    let title = format!("Hello, {}", customer.name());
    render(
        "shop-account",
        &title,
        lines,
        csrf,
        &[("pay", "Pay €49.00"), ("sign-out", "Sign out")],
        rows(&customer.claims),
    )
}

pub fn paid(receipt: &Receipt, customer: &Customer) -> Result<Page, askama::Error> {
    let at = DateTime::from_timestamp(receipt.auth_time, 0).map(|at| at.to_rfc3339()).unwrap_or_default();
    let lines = vec![
        format!("You have paid {}.", receipt.amount),
        format!("The payment rests on {}, shown at {at}.", receipt.acr),
    ];
    render("shop-paid", "Thank you", lines, "", &[], rows(&customer.claims))
}

pub fn problem(sentence: &str) -> Result<Page, askama::Error> {
    render("shop-problem", "That did not work", vec![sentence.to_owned()], "", &[], vec![])
}

fn render(
    page: &'static str,
    title: &str,
    lines: Vec<String>,
    csrf: &str,
    buttons: &'static [(&'static str, &'static str)],
    rows: Vec<Row>,
) -> Result<Page, askama::Error> {
    let nonce = base64url(&random::<16>(&SystemEntropy));
    let html = Html { nonce: &nonce, page, title: title.to_owned(), lines, csrf, buttons, rows }.render()?;
    Ok(Page { html, nonce })
}

fn rows(claims: &Value) -> Vec<Row> {
    let claims = claims.as_object().into_iter().flatten();
    claims
        .map(|(name, value)| Row {
            name: name.clone(),
            value: match (name.as_str(), value) {
                ("exp" | "iat" | "auth_time", Value::Number(n)) => {
                    let at = n.as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
                    format!("{n} ({})", at.map(|at| at.to_rfc3339()).unwrap_or_default())
                }
                (_, Value::String(text)) => text.clone(),
                (_, other) => other.to_string(),
            },
            meaning: meaning(name),
        })
        .collect()
}

fn meaning(claim: &str) -> &'static str {
    match claim {
        "iss" => "Who says so: the OpenID Provider.",
        "sub" => "You, by a name that never changes and is never given to anybody else.",
        "aud" => "For whom it was said: this shop.",
        "exp" => "Until when it may be believed.",
        "iat" => "When it was said.",
        "auth_time" => "Since when everything that the class wants fresh has been shown.",
        "acr" => "How strongly you have proved that it is you.",
        "amr" => "With what: pwd is a password, otp a one-time code, mfa two kinds of proof.",
        "nonce" => "Ties it to the request that the shop made.",
        "sid" => "Your session at the provider.",
        "at_hash" => "Ties it to the access token that came along.",
        _ => "About you.",
    }
}
