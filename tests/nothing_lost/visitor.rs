//! A browser whose server may go away in the middle: each of its steps may come back with nothing.

use crate::app::PASSWORD;
use crate::browser::Reply;
use crate::relying_party::Request;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::Result;
use reqwest::redirect::Policy;
use std::mem::swap;
use std::time::Duration;
use tokio::time::sleep;

#[derive(Clone)]
pub struct Visitor {
    http: Client,
    pub address: String,
    /// Where the request after the next one goes, in turns; else they all go to the same.
    other: Option<String>,
    /// Where the proxy says that it comes from.
    source: String,
    cookie: Option<String>,
}

impl Visitor {
    pub fn new(http: &Client, address: &str, source: &str) -> Self {
        let (address, source) = (address.to_owned(), source.to_owned());
        Self { http: http.clone(), address, other: None, source, cookie: None }
    }

    /// Behind a load balancer that sends every request to the other process.
    pub fn in_turns_with(self, other: &str) -> Self {
        Self { other: Some(other.to_owned()), ..self }
    }

    /// What many visitors share.
    pub fn http() -> Client {
        // The server closes what nobody used for fifteen seconds; a request that goes out in that moment has no answer.
        let client = Client::builder().redirect(Policy::none()).pool_idle_timeout(Duration::from_secs(5));
        client.timeout(Duration::from_secs(60)).build().unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Result<Reply> {
        let request = self.http.get(format!("{}{path}", self.address));
        self.sent(request, path).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let request = self.http.post(format!("{}{path}", self.address)).form(form);
        self.sent(request, path).await
    }

    /// With an access token.
    pub async fn get_with(&mut self, token: &str, path: &str) -> Result<Reply> {
        let request = self.http.get(format!("{}{path}", self.address)).bearer_auth(token);
        self.sent(request, path).await
    }

    pub async fn open(&mut self, path: &str) -> Result<Reply> {
        let reply = self.get(path).await?;
        self.follow(reply).await
    }

    pub async fn submit(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Result<Reply> {
        let hidden = page.hidden_fields_beside("name=\"action\" value=\"continue\"");
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let form = hidden.chain(fields.iter().copied()).chain([("action", "continue")]).collect::<Vec<_>>();
        let reply = self.post(&page.form_action(), &form).await?;
        self.follow(reply).await
    }

    /// Signs in by password, again where there are too many passwords at once.
    pub async fn sign_in(&mut self, request: &Request, name: &str) -> Result<Reply> {
        self.sign_in_with(request, name, PASSWORD).await
    }

    pub async fn sign_in_with(&mut self, request: &Request, name: &str, password: &str) -> Result<Reply> {
        let mut page = self.open(&request.path()).await?;
        loop {
            assert_eq!(page.page(), "login", "{page:?}");
            let reply = self.submit(&page, &[("username", name), ("password", password)]).await?;
            if reply.status != 503 {
                return Ok(reply);
            }
            sleep(Duration::from_millis(20)).await;
            page = self.get(&page.path).await?;
        }
    }

    async fn follow(&mut self, mut reply: Reply) -> Result<Reply> {
        while let Some(next) = reply.location().filter(|location| location.starts_with('/')) {
            reply = self.get(&next).await?;
        }
        Ok(reply)
    }

    async fn sent(&mut self, mut request: RequestBuilder, path: &str) -> Result<Reply> {
        if let Some(other) = &mut self.other {
            swap(other, &mut self.address);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("__Host-stepgate={cookie}"));
        }
        let answer = request.header("x-forwarded-for", &self.source).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await?;
        for cookie in headers.get_all("set-cookie") {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            self.cookie = Some(pair.strip_prefix("__Host-stepgate=").unwrap().to_owned());
        }
        Ok(Reply { status, headers, body, path: path.to_owned() })
    }
}
