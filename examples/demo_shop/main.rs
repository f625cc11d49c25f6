//! Acme Shop, a relying party: people sign in, and pay with an API that asks for a second factor when it matters.
//! It meets a step-up challenge (RFC 9470 §4) by a new authorization request, checks what comes back by itself, and
//! repeats the call once. Its sessions live in memory: it is a demonstration.

mod openid;
mod pages;
mod payment;
mod session;

use actix_web::App;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::HttpServer;
use actix_web::cookie::Cookie;
use actix_web::cookie::SameSite;
use actix_web::http::header;
use actix_web::web;
use actix_web::web::Data;
use actix_web::web::Form;
use actix_web::web::Query;
use anyhow::Context;
use openid::Answer;
use openid::OpenId;
use openid::Settings;
use openid::Wish;
use payment::Api;
use payment::Paid;
use payment::Round;
use serde::Deserialize;
use session::Customer;
use session::Purpose;
use session::Sessions;

const COOKIE: &str = "acme_shop";

struct Shop {
    openid: OpenId,
    api: Api,
    sessions: Sessions,
    issuer: String,
}

#[derive(Deserialize)]
struct Pressed {
    action: String,
    csrf: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let secret_file = setting("DEMO_CLIENT_SECRET_FILE", "var/demo/client-secret");
    let secret =
        std::fs::read_to_string(&secret_file).with_context(|| format!("{secret_file} can't be read"))?;
    let issuer = setting("DEMO_ISSUER", "http://localhost:8080");
    let shop = Data::new(Shop {
        openid: OpenId::new(Settings {
            issuer: issuer.clone(),
            client_id: setting("DEMO_CLIENT_ID", "acme-shop"),
            client_secret: secret.trim().to_owned(),
            shop: setting("DEMO_SHOP_URL", "http://localhost:8081"),
            resource: setting("DEMO_API_RESOURCE", "http://localhost:8082"),
        }),
        api: Api::new(setting("DEMO_API_URL", "http://localhost:8082")),
        sessions: Sessions::default(),
        issuer,
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shop.clone())
            .route("/", web::get().to(home))
            .route("/", web::post().to(press))
            .route("/callback", web::get().to(callback))
            .route("/paid", web::get().to(paid))
            .route("/healthz", web::get().to(async || "ok\n"))
    });
    Ok(server.workers(1).bind(setting("DEMO_SHOP_LISTEN", "127.0.0.1:8081"))?.run().await?)
}

async fn home(shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let (id, csrf) = shop.sessions.visit(presented(&request).as_deref());
    let page = match shop.sessions.customer(&id) {
        Some(customer) => pages::account(&customer, &csrf),
        None => pages::home(&csrf),
    };
    shop.page(&id, page)
}

async fn press(shop: Data<Shop>, request: HttpRequest, form: Form<Pressed>) -> HttpResponse {
    let (id, csrf) = shop.sessions.visit(presented(&request).as_deref());
    if form.csrf != csrf {
        return shop.problem(&id, "This page was too old. Please try again.");
    }
    match (form.action.as_str(), shop.sessions.customer(&id)) {
        ("sign-in", _) => shop.authorize(&id, Wish::default(), Purpose::SignIn).await,
        ("pay", Some(customer)) => shop.pay(&id, &customer, None).await,
        ("sign-out", _) => {
            shop.sessions.end(&id);
            see_other("/")
        }
        _ => see_other("/"),
    }
}

async fn callback(shop: Data<Shop>, request: HttpRequest, answer: Query<Answer>) -> HttpResponse {
    let (id, _) = shop.sessions.visit(presented(&request).as_deref());
    let Some(pending) = shop.sessions.take_pending(&id, answer.state.as_deref().unwrap_or_default()) else {
        return shop.problem(
            &id,
            "This answer does not belong to anything that you began here. Please start again.",
        );
    };
    let arrived = match shop.openid.redeem(&answer, &pending.open).await {
        Ok(arrived) => arrived,
        Err(problem) => {
            eprintln!("demo shop: {problem:#}");
            return shop.problem(&id, problem.sentence());
        }
    };
    match pending.purpose {
        Purpose::SignIn => {
            // Session fixation: the id that was known before the sign-in is worth nothing after it.
            let id = shop.sessions.sign_in(&id, arrived);
            shop.to_home(&id)
        }
        Purpose::Payment(round) => shop.resume(&id, arrived, round).await,
    }
}

/// The receipt has an address of its own, so that no code of an answer stays in the address bar.
async fn paid(shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let (id, _) = shop.sessions.visit(presented(&request).as_deref());
    match (shop.sessions.customer(&id), shop.sessions.receipt(&id)) {
        (Some(customer), Some(receipt)) => shop.page(&id, pages::paid(&receipt, &customer)),
        _ => see_other("/"),
    }
}

impl Shop {
    async fn authorize(&self, id: &str, wish: Wish, purpose: Purpose) -> HttpResponse {
        match self.openid.authorize(wish).await {
            Ok((url, open)) => {
                self.sessions.set_pending(id, open, purpose);
                see_other(&url)
            }
            Err(problem) => {
                eprintln!("demo shop: {problem:#}");
                self.problem(id, problem.sentence())
            }
        }
    }

    /// Calls the API; a challenge sends the customer to step up, unless `done` rounds were enough already.
    async fn pay(&self, id: &str, customer: &Customer, done: Option<Round>) -> HttpResponse {
        match self.api.pay(&customer.access_token).await {
            Ok(Paid::Receipt(receipt)) => {
                self.sessions.keep_receipt(id, receipt);
                see_other("/paid")
            }
            Ok(Paid::Challenged(challenge)) => match payment::next_round(&challenge, done) {
                Some(round) => {
                    let wish = Wish::of(&round, customer);
                    self.authorize(id, wish, Purpose::Payment(round)).await
                }
                None => self.problem(
                    id,
                    "The payment asked for the same proof again, so we stopped. Nothing was paid.",
                ),
            },
            Ok(Paid::SignInAgain) => {
                self.problem(id, "Your sign-in is too old for a payment. Sign out, sign in and try again.")
            }
            Err(why) => {
                eprintln!("demo shop: {why}");
                self.problem(
                    id,
                    "The payment service can't be reached. Nothing was paid; try again in a moment.",
                )
            }
        }
    }

    /// After a step-up: the same person, and as strong and recent as was asked, or another round.
    async fn resume(&self, id: &str, arrived: Customer, round: Round) -> HttpResponse {
        let Some(customer) = self.sessions.customer(id).filter(|customer| customer.sub == arrived.sub) else {
            return self.problem(id, "Somebody else answered for you. Nothing was paid.");
        };
        if !payment::is_met(&round.challenge, &arrived.shown(), payment::now()) {
            return match payment::next_round(&round.challenge, Some(round.clone())) {
                Some(round) => {
                    let wish = Wish::of(&round, &customer);
                    self.authorize(id, wish, Purpose::Payment(round)).await
                }
                None => self.problem(
                    id,
                    "The answer was not as strong or recent as the payment asked. Nothing was paid.",
                ),
            };
        }
        self.sessions.renew(id, arrived.clone());
        self.pay(id, &arrived, Some(round)).await
    }

    fn problem(&self, id: &str, sentence: &str) -> HttpResponse {
        self.page(id, pages::problem(sentence))
    }

    fn to_home(&self, id: &str) -> HttpResponse {
        HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).cookie(cookie(id)).finish()
    }

    fn page(&self, id: &str, page: Result<pages::Page, askama::Error>) -> HttpResponse {
        let Ok(page) = page else { return HttpResponse::InternalServerError().finish() };
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{}'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
            page.nonce, self.issuer
        );
        HttpResponse::Ok()
            .insert_header((header::CONTENT_SECURITY_POLICY, policy))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .content_type("text/html; charset=utf-8")
            .cookie(cookie(id))
            .body(page.html)
    }
}

fn presented(request: &HttpRequest) -> Option<String> {
    request.cookie(COOKIE).map(|cookie| cookie.value().to_owned())
}

fn cookie(id: &str) -> Cookie<'static> {
    Cookie::build(COOKIE, id.to_owned()).path("/").http_only(true).same_site(SameSite::Lax).finish()
}

fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
