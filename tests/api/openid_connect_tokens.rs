//! The `openidconnect` crate once more, as a relying party that stays: consent, form_post, refresh, introspection, revocation,
//! tokens of its own, an assertion instead of a secret, and sign-out.

use crate::app::CALLBACK;
use crate::app::ISSUER;
use crate::app::SECRET;
use crate::app::TestApp;
use crate::assertions::Client as Asserting;
use crate::assertions::claims;
use crate::browser::Browser;
use crate::openid_connect::http;
use openidconnect::AuthType;
use openidconnect::AuthenticationFlow;
use openidconnect::AuthorizationCode;
use openidconnect::ClientId;
use openidconnect::ClientSecret;
use openidconnect::CsrfToken;
use openidconnect::IntrospectionUrl;
use openidconnect::IssuerUrl;
use openidconnect::LogoutRequest;
use openidconnect::Nonce;
use openidconnect::OAuth2TokenResponse;
use openidconnect::PkceCodeChallenge;
use openidconnect::PostLogoutRedirectUrl;
use openidconnect::ProviderMetadataWithLogout;
use openidconnect::RedirectUrl;
use openidconnect::RevocationUrl;
use openidconnect::Scope;
use openidconnect::TokenIntrospectionResponse;
use openidconnect::TokenResponse;
use openidconnect::core::CoreClient;
use openidconnect::core::CoreIdToken;
use openidconnect::core::CoreResponseType;
use openidconnect::core::CoreRevocableToken;
use serde_json::json;
use stepgate::base::time::Clock;

const BYE: &str = "https://rp.test/bye";

#[tokio::test]
async fn a_relying_party_that_stays_refreshes_introspects_revokes_and_signs_out() {
    let app = TestApp::spawn().await;
    let grants = ["authorization_code", "refresh_token", "client_credentials"];
    let metadata = json!({"grant_types": grants, "skip_consent": false, "post_logout_redirect_uris": [BYE]});
    app.replace_client("rp", metadata).await;
    let ada = app.user("ada").await;
    let address = app.address.clone();
    let http = move |request| http(address.clone(), request);
    let issuer = IssuerUrl::new(ISSUER.into()).unwrap();
    let provider = ProviderMetadataWithLogout::discover_async(issuer, &http).await.unwrap();
    let logout = provider.additional_metadata().end_session_endpoint.clone().unwrap();
    let (id, secret) = (ClientId::new("rp".into()), ClientSecret::new(SECRET.into()));
    let client = CoreClient::from_provider_metadata(provider, id, Some(secret))
        .set_redirect_uri(RedirectUrl::new(CALLBACK.into()).unwrap())
        .set_introspection_url(IntrospectionUrl::new(format!("{ISSUER}/introspect")).unwrap())
        .set_revocation_url(RevocationUrl::new(format!("{ISSUER}/revoke")).unwrap());

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let request =
        request.add_scope(Scope::new("profile".into())).add_extra_param("response_mode", "form_post");
    let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
    let mut browser = Browser::new(&app);
    let page = browser.open(url.as_str().strip_prefix(ISSUER).unwrap()).await;
    let page = browser.sign_in(&page, &ada).await;
    assert_eq!(page.page(), "consent");
    let posted = browser.submit(&page, &[]).await;
    assert_eq!((posted.page().as_str(), posted.form_action().as_str()), ("form-post", CALLBACK));
    let members = posted.hidden_fields().into_iter().collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!((members["state"].as_str(), members["iss"].as_str()), (state.secret().as_str(), ISSUER));

    let exchange = client.exchange_code(AuthorizationCode::new(members["code"].clone())).unwrap();
    let first = exchange.set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    let now = app.clock.now().unix_seconds();
    let check =
        || client.id_token_verifier().set_time_fn(move || chrono::DateTime::from_timestamp(now, 0).unwrap());
    let signed_in = first.id_token().unwrap().claims(&check(), &nonce).unwrap().clone();
    let refresh = client.exchange_refresh_token(first.refresh_token().unwrap()).unwrap();
    let second = refresh.request_async(&http).await.unwrap();
    let again = second.id_token().unwrap().claims(&check(), |_: Option<&Nonce>| Ok(())).unwrap();
    assert_eq!((again.subject(), again.auth_time()), (signed_in.subject(), signed_in.auth_time()));
    assert_ne!(second.refresh_token().unwrap().secret(), first.refresh_token().unwrap().secret());

    let told = client.introspect(second.access_token()).request_async(&http).await.unwrap();
    assert!(told.active());
    assert_eq!((told.sub(), told.client_id().unwrap().as_str()), (Some(ada.id.as_str()), "rp"));
    let revoke = client.revoke_token(CoreRevocableToken::from(second.refresh_token().unwrap())).unwrap();
    revoke.request_async(&http).await.unwrap();
    assert!(!client.introspect(second.access_token()).request_async(&http).await.unwrap().active());
    let own = client.exchange_client_credentials().unwrap().request_async(&http).await.unwrap();
    assert!(client.introspect(own.access_token()).request_async(&http).await.unwrap().active());

    let hint: CoreIdToken = second.id_token().unwrap().clone();
    let bye = LogoutRequest::from(logout).set_id_token_hint(&hint).set_state(CsrfToken::new("s".into()));
    let bye =
        bye.set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(BYE.into()).unwrap()).http_get_url();
    let reply = browser.get(bye.as_str().strip_prefix(ISSUER).unwrap()).await;
    assert_eq!(reply.location().unwrap(), format!("{BYE}?state=s"));
    assert!(browser.get("/").await.body.contains("Nobody is signed in"));
}

#[tokio::test]
async fn a_relying_party_proves_itself_with_an_assertion() {
    let app = TestApp::spawn().await;
    let key = Asserting::new("ES256");
    key.register(&app, "asserts").await;
    let address = app.address.clone();
    let http = move |request| http(address.clone(), request);
    let issuer = IssuerUrl::new(ISSUER.into()).unwrap();
    let provider = ProviderMetadataWithLogout::discover_async(issuer, &http).await.unwrap();
    // The library knows no assertions, but lets parameters be added to what it sends in the body.
    let client = CoreClient::from_provider_metadata(provider, ClientId::new("asserts".into()), None)
        .set_auth_type(AuthType::RequestBody);
    let request = client.exchange_client_credentials().unwrap();
    let assertion = key.sign(&claims(&app, "asserts", "one"));
    let request = request.add_extra_param("client_assertion", assertion);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let request = request.add_extra_param("client_assertion_type", kind);
    let tokens = request.request_async(&http).await.unwrap();
    assert!(!tokens.access_token().secret().is_empty());
}
