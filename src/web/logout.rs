//! `/logout`: GET acts or asks. POST is either our own form, which carries a code for this browser, or a client's, which
//! comes without our cookie and is led to GET.

use super::authorize::LONGEST_FORM;
use super::cookie;
use super::edge;
use super::forged;
use super::language;
use super::respond;
use crate::app::App;
use crate::logout;
use crate::logout::Asked;
use crate::logout::LogoutError;
use crate::pages::LoggedOutPage;
use crate::pages::LogoutPage;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::remembered;
use crate::store::sessions::Browser;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::web::Data;

const PURPOSE: &str = "logout";

pub async fn get(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let browser = match cookie::browser(&app, &request).await {
        Ok(browser) => browser,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let asked = match Parameters::parse(request.query_string()) {
        Ok(parameters) => {
            language::prefer_ui_locales(&request, &parameters);
            logout::begin(&app, &parameters, browser.as_ref(), &edge::source(&app, &request)).await
        }
        Err(fault) => Err(LogoutError::Fault(fault)),
    };
    match (asked, browser) {
        (Ok(Asked::Question { people, origin }), Some(browser)) => match remembers(&app, &browser).await {
            Ok(known) => question(&app, &request, &browser, (people, known), origin.as_deref()),
            Err(error) => respond::unavailable(&app, &request, &error),
        },
        (Ok(Asked::Question { .. }), None) => signed_out(&app, &request),
        (Ok(Asked::Done(back)), _) => done(&app, &request, back),
        (Err(error), _) => refused(&app, &request, error),
    }
}

pub async fn post(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let form = match edge::form(&request, &body) {
        Ok(form) => form,
        Err(fault) => return respond::fault_page(&app, &request, &fault),
    };
    // It comes back as an address, and proxies take no longer ones.
    if form.len() > LONGEST_FORM {
        let fault = Fault::invalid_request("The form is longer than 12 KiB; send less.");
        return respond::fault_page(&app, &request, &fault);
    }
    match Parameters::parse(form).map(|fields| fields.one("form").map(|code| code.is_some())) {
        Ok(Ok(true)) => confirmed(&app, &request, form).await,
        _ if form.bytes().all(|b| b.is_ascii_graphic()) => {
            respond::see_other(&format!("/logout?{form}")).finish()
        }
        _ => {
            let fault = Fault::invalid_request("The form is not percent-encoded UTF-8; encode it again.");
            respond::fault_page(&app, &request, &fault)
        }
    }
}

/// The code that our form carries: it is this browser's, and for this request.
pub fn form_code(app: &App, browser: &Browser, query: &str) -> String {
    app.master.code(PURPOSE, &[browser.id.as_str(), query])
}

/// Whether accounts that were used in this browser are remembered.
pub async fn remembers(app: &App, browser: &Browser) -> Result<bool, StoreError> {
    let id = browser.id.clone();
    Ok(!app.store.read(move |c| remembered::of_browser(c, &id)).await?.is_empty())
}

async fn confirmed(app: &Data<App>, request: &HttpRequest, form: &str) -> HttpResponse {
    let fields = Parameters::parse(form).unwrap_or_default();
    let field = |name| fields.one(name).ok().flatten().unwrap_or_default();
    let browser = match cookie::browser(app, request).await {
        Ok(browser) => browser,
        Err(error) => return respond::unavailable(app, request, &error),
    };
    let query = field("query");
    let asked = Parameters::parse(query);
    if let Ok(parameters) = &asked {
        language::prefer_ui_locales(request, parameters);
    }
    let own = |browser: &Browser| app.master.is_code(field("form"), PURPOSE, &[browser.id.as_str(), query]);
    let Some(browser) = browser.clone().filter(own) else {
        let tried = browser.as_ref().map(|browser| forged::everybody(app, request, browser));
        return forged::refused(
            app,
            request,
            tried.unwrap_or_default(),
            language::texts(request).forged_browser,
        )
        .await;
    };
    let forget = match field("action") {
        "continue" => false,
        "forget" => true,
        _ => return respond::see_other("/").finish(),
    };
    let source = edge::source(app, request);
    let answered = match asked {
        Ok(parameters) => logout::confirmed(app, &parameters, &browser, &source, forget).await,
        Err(fault) => Err(LogoutError::Fault(fault)),
    };
    match answered {
        Ok(back) => done(app, request, back),
        Err(error) => refused(app, request, error),
    }
}

fn question(
    app: &App,
    request: &HttpRequest,
    browser: &Browser,
    (people, remembers): (Vec<String>, bool),
    origin: Option<&str>,
) -> HttpResponse {
    let query = request.query_string().to_owned();
    let code = form_code(app, browser, &query);
    respond::page(app, request, StatusCode::OK, origin, |frame| LogoutPage {
        frame,
        people,
        remembers,
        code,
        query,
    })
}

fn done(app: &App, request: &HttpRequest, back: Option<String>) -> HttpResponse {
    match back {
        Some(location) => respond::see_other(&location).finish(),
        None => signed_out(app, request),
    }
}

fn signed_out(app: &App, request: &HttpRequest) -> HttpResponse {
    respond::page(app, request, StatusCode::OK, None, |frame| LoggedOutPage { frame })
}

fn refused(app: &App, request: &HttpRequest, error: LogoutError) -> HttpResponse {
    match error {
        LogoutError::Fault(fault) => respond::fault_page(app, request, &fault),
        LogoutError::Store(error) => respond::unavailable(app, request, &error),
    }
}
