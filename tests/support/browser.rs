//! A browser without a screen: keeps the cookie, follows nothing by itself, fills in the forms of the pages.

use super::app::PASSWORD;
use super::app::TestApp;
use super::app::TestUser;
use super::authenticator::Authenticator;
use super::relying_party::Request;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

#[derive(Clone)]
pub struct Browser {
    http: Client,
    address: String,
    pub cookie: Option<String>,
    /// Where a proxy says that it comes from.
    pub source: Option<String>,
    /// Its navigations begin with a person's click (Fetch Metadata).
    pub clicks: bool,
    /// Its `Accept-Language`.
    pub language: Option<String>,
}

/// One answer of the server.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// Where the request went: a path of the server.
    pub path: String,
}

impl Browser {
    pub fn new(app: &TestApp) -> Self {
        Self::at(&app.address)
    }

    pub fn at(address: &str) -> Self {
        // Like nginx: an idle connection is given up before the server does so, else a request may meet its end.
        let idle = Duration::from_secs(5);
        let http = Client::builder().redirect(Policy::none()).pool_idle_timeout(idle).build().unwrap();
        Self { http, address: address.to_owned(), cookie: None, source: None, clicks: false, language: None }
    }

    /// A browser whose user prefers `language`.
    pub fn speaking(app: &TestApp, language: &str) -> Self {
        Self { language: Some(language.to_owned()), ..Self::new(app) }
    }

    /// A browser in which `user` is signed in with a password.
    pub async fn signed_in(app: &TestApp, user: &TestUser) -> Self {
        let mut browser = Self::new(app);
        let page = browser.open(&Request::new().path()).await;
        assert_eq!(browser.sign_in(&page, user).await.outcome(), "code");
        browser
    }

    /// Signed in through a client that is approved for everybody, registered as `client`.
    pub async fn signed_in_at(app: &TestApp, user: &TestUser, client: &str) -> Self {
        app.client(client, serde_json::json!({})).await;
        let mut browser = Self::new(app);
        let page = browser.open(&Request::new().with("client_id", client).path()).await;
        assert_eq!(browser.sign_in(&page, user).await.outcome(), "code");
        browser
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let request = self.http.get(format!("{}{path}", self.address));
        self.send(request, path).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.http.post(format!("{}{path}", self.address)).form(form);
        self.send(request, path).await
    }

    /// Like a browser: follows redirects as long as they stay here.
    pub async fn open(&mut self, path: &str) -> Reply {
        let reply = self.get(path).await;
        self.follow(reply).await
    }

    /// As often as a browser does.
    pub async fn follow(&mut self, mut reply: Reply) -> Reply {
        for _ in 0..20 {
            let Some(next) = reply.location().filter(|location| location.starts_with('/')) else {
                return reply;
            };
            reply = self.get(&next).await;
        }
        panic!("led in a circle: {reply:?}");
    }

    /// Fills in the form of `page` and presses a button.
    pub async fn submit(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let reply = self.press(page, fields).await;
        self.follow(reply).await
    }

    /// Likewise, and leaves where that leads to for later.
    pub async fn press(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let pressed =
            fields.iter().find(|(name, _)| *name == "action").map_or("continue", |(_, value)| value);
        let mut form = page.hidden_fields_beside(&format!("name=\"action\" value=\"{pressed}\""));
        let mut form_of = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        if !fields.iter().any(|(name, _)| *name == "action") {
            form_of.push(("action".into(), "continue".into()));
        }
        form.retain(|(name, _)| !form_of.iter().any(|(other, _)| other == name));
        form.extend(form_of);
        let action = page.form_action();
        let request = self.http.post(format!("{}{action}", self.address)).form(&form);
        self.send(request, &action).await
    }

    /// Opens a request and signs in if it asks for that.
    pub async fn sign_in_again(&mut self, request: &Request, user: &TestUser) -> Reply {
        let page = self.open(&request.path()).await;
        if ["login", "select-account"].contains(&page.page().as_str()) {
            self.sign_in(&page, user).await
        } else {
            page
        }
    }

    /// Chooses `user` on the page `select-account`.
    pub async fn choose(&mut self, page: &Reply, user: &TestUser) -> Reply {
        assert_eq!(page.page(), "select-account", "{page:?}");
        let mut form = page.hidden_fields_beside(user.id.as_str());
        form.push(("action".into(), "continue".into()));
        let action = page.form_action();
        let request = self.http.post(format!("{}{action}", self.address)).form(&form);
        let reply = self.send(request, &action).await;
        self.follow(reply).await
    }

    /// Signs in on the page `login`, or with the name that is remembered on `select-account`.
    pub async fn sign_in(&mut self, page: &Reply, user: &TestUser) -> Reply {
        if page.page() == "select-account" {
            let page = self.choose(page, user).await;
            assert_eq!(page.page(), "login", "{page:?}");
            return self.submit(&page, &[("username", &user.name), ("password", PASSWORD)]).await;
        }
        assert_eq!(page.page(), "login", "{page:?}");
        self.submit(page, &[("username", &user.name), ("password", PASSWORD)]).await
    }

    /// What the script of `page` gets when it asks for a ceremony.
    pub async fn ceremony(&mut self, page: &Reply) -> Value {
        let form = page.hidden_fields();
        let fields = form.iter().filter(|(name, _)| ["form", "step"].contains(&name.as_str()));
        let fields = fields.map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
        let reply = self.post(&format!("{}/options", page.form_action()), &fields).await;
        assert_eq!(reply.status, StatusCode::OK, "{page:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    /// Answers the ceremony of `page` with what an authenticator said.
    pub async fn answer(&mut self, page: &Reply, ceremony: &Value, credential: &str) -> Reply {
        let action = if page.page() == "login" { "passkey" } else { "continue" };
        let ceremony = ceremony["ceremony"].as_str().unwrap();
        let mut form = page.hidden_fields();
        form.retain(|(name, _)| ["form", "step"].contains(&name.as_str()));
        form.extend([("ceremony", ceremony), ("credential", credential), ("action", action)].map(owned));
        let path = page.form_action();
        let request = self.http.post(format!("{}{path}", self.address)).form(&form);
        let reply = self.send(request, &path).await;
        self.follow(reply).await
    }

    /// Uses or makes a passkey, as the page wants it.
    pub async fn tap(&mut self, page: &Reply, authenticator: &mut Authenticator) -> Reply {
        let ceremony = self.ceremony(page).await;
        let options = &ceremony["options"];
        let said = match page.page() == "enrol-passkey" {
            true => authenticator.create(options),
            false => authenticator.get(options),
        };
        self.answer(page, &ceremony, &said).await
    }

    pub async fn send(&mut self, mut request: RequestBuilder, path: &str) -> Reply {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("__Host-stepgate={cookie}"));
        }
        if let Some(source) = &self.source {
            request = request.header("x-forwarded-for", source);
        }
        if let Some(language) = &self.language {
            request = request.header("accept-language", language);
        }
        if self.clicks {
            request = request.header("sec-fetch-user", "?1");
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        for cookie in headers.get_all("set-cookie") {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            self.cookie = Some(pair.strip_prefix("__Host-stepgate=").unwrap().to_owned());
        }
        Reply { status, headers, body: answer.text().await.unwrap(), path: path.to_owned() }
    }
}

impl Reply {
    pub fn location(&self) -> Option<String> {
        self.headers.get("location").map(|value| value.to_str().unwrap().to_owned())
    }

    /// The `data-page` of a page, or what came instead.
    pub fn page(&self) -> String {
        let between = self.body.split_once("data-page=\"").and_then(|(_, rest)| rest.split_once('"'));
        between.map_or_else(|| format!("{} {:?}", self.status, self.location()), |(name, _)| name.to_owned())
    }

    /// What stands between two texts.
    pub fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("no {before} in {self:?}"));
        rest.split_once(after).unwrap().0.to_owned()
    }

    /// The members of an authorization response.
    pub fn answer(&self) -> BTreeMap<String, String> {
        let location = self.location().unwrap_or_else(|| panic!("no redirect: {self:?}"));
        assert_eq!(self.status, StatusCode::SEE_OTHER, "RFC 9700 §4.12");
        Url::parse(&location).unwrap_or_else(|_| panic!("{location}")).query_pairs().into_owned().collect()
    }

    /// `code`, or the error of an authorization response, or the page.
    pub fn outcome(&self) -> String {
        match self.location() {
            None => self.page(),
            Some(_) => self.answer().get("error").cloned().unwrap_or_else(|| "code".into()),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Those of the first form.
    pub fn hidden_fields(&self) -> Vec<(String, String)> {
        self.hidden_fields_beside("")
    }

    /// Those of the first form that has `text` in it, or of the first one.
    pub fn hidden_fields_beside(&self, text: &str) -> Vec<(String, String)> {
        let mut forms = self.body.split("<form ").skip(1).map(|form| form.split("</form>").next().unwrap());
        let first = forms.clone().next();
        let inputs = forms
            .find(|form| form.contains(text))
            .or(first)
            .unwrap_or_default()
            .split("<input type=\"hidden\" name=\"")
            .skip(1);
        inputs
            .map(|input| {
                let (name, rest) = input.split_once("\" value=\"").unwrap();
                let value = rest.split_once('"').unwrap().0;
                (name.to_owned(), unescaped(value))
            })
            .collect()
    }

    pub fn form_action(&self) -> String {
        let (_, rest) = self
            .body
            .split_once("<form method=\"post\" action=\"")
            .unwrap_or_else(|| panic!("no form: {self:?}"));
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// What the templates escape, as a browser reads it.
fn unescaped(html: &str) -> String {
    let text = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
    let text = text.iter().fold(html.to_owned(), |html, (escaped, plain)| html.replace(escaped, plain));
    text.replace("&#38;", "&")
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
