//! The program itself: its commands, what they refuse, how it starts and stops.

use crate::database::postgres;
use crate::program::Place;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::SslConnector;
use openssl::ssl::SslMethod;
use openssl::x509::X509;
use openssl::x509::X509Name;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

#[test]
fn users_are_added_shown_and_given_new_passwords() {
    let place = Place::new();
    fs::write(place.path("claims.json"), r#"{"name": "Ada Lovelace", "locale": "en"}"#).unwrap();
    let add =
        ["user", "add", "Ada", "--email", "ada@example.com", "--claims", "claims.json", "--password-stdin"];
    let added =
        place.says(&[&add[..], &["--totp", "--second-factor", "step-up"]].concat(), "correct horse\n");
    let sub = added["sub"].as_str().unwrap();
    let uri = added["totp"]["otpauth_uri"].as_str().unwrap();
    assert_eq!((added["username"].as_str(), sub.len()), (Some("ada"), 36));
    assert!(uri.starts_with("otpauth://totp/Stepgate") && uri.contains("secret="), "{uri}");
    let shown = place.says(&["user", "show", "ADA"], "");
    assert_eq!(shown["sub"], sub);
    assert_eq!(shown["second_factor"], "step-up");
    let claims = json!({
        "name": "Ada Lovelace", "locale": "en", "email": "ada@example.com", "email_verified": true,
        "preferred_username": "ada",
    });
    assert_eq!(shown["claims"], claims);
    assert_eq!(shown["factors"].as_array().unwrap().len(), 2);
    assert_eq!(place.says(&["user", "list"], "").as_array().unwrap().len(), 1);
    assert_eq!(place.says(&["user", "set-password", "ada", "--password-stdin"], "another horse")["sub"], sub);

    let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let stored = ["var/stepgate.db", "var/stepgate.db-wal"]
        .map(|f| fs::read(place.path(f)).unwrap_or_default())
        .concat();
    let stored = String::from_utf8_lossy(&stored);
    assert!(!stored.contains(secret) && !stored.contains("horse"));

    for (arguments, input, said) in [
        (vec!["user", "add", "ada", "--password-stdin"], "correct horse", "belongs to another user"),
        (vec!["user", "add", "bob", "--password-stdin"], "short", "shorter than 8"),
        (vec!["user", "add", "b ob"], "", "is not a user name"),
        (vec!["user", "add", "bob", "--email", "ADA@example.com"], "", "belongs to another user"),
        (vec!["user", "add", "bob", "--email", "bob"], "", "not an e-mail address"),
        (vec!["user", "show", "bob"], "", "no user is named \"bob\""),
        (vec!["user", "set-password", "ada"], "", "--password-stdin or --password-file"),
        (vec!["user", "add", "bob", "--password", "secret"], "", "unexpected argument"),
    ] {
        let complaint = place.complains(&arguments, input);
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
    }
}

#[test]
fn clients_are_registered_shown_and_merged() {
    let place = Place::new();
    let metadata = json!({"client_name": "Shop", "redirect_uris": ["https://shop.test/cb"]}).to_string();
    let made = place.says(&["client", "add"], &metadata);
    assert_eq!(made["client_secret"].as_str().unwrap().len(), 43);
    let named = json!({"client_id": "shop", "client_secret": "a secret that the shop brings along", "redirect_uris": ["https://shop.test/cb"]});
    let added = place.says(&["client", "add", "-"], &named.to_string());
    assert_eq!(
        (&added["client_id"], &added["client_secret"]),
        (&named["client_id"], &named["client_secret"])
    );
    let updated =
        place.says(&["client", "update", "shop"], r#"{"minimum_acr": "phr", "client_name": "The Shop"}"#);
    assert_eq!(
        (&updated["minimum_acr"], &updated["redirect_uris"]),
        (&json!("phr"), &named["redirect_uris"])
    );
    assert!(updated.get("client_secret").is_none(), "it stays, and is not shown again");
    let updated = place.says(&["client", "update", "shop"], r#"{"minimum_acr": null}"#);
    assert!(updated.get("minimum_acr").is_none());
    let shown = place.says(&["client", "show", "shop"], "");
    assert_eq!((&shown["client_name"], shown.get("client_secret")), (&json!("The Shop"), None));
    assert_eq!(place.says(&["client", "list"], "").as_array().unwrap().len(), 2);
    let api =
        json!({"client_id": "api", "resource": "https://api.test", "scopes_supported": ["pay"]}).to_string();
    assert_eq!(place.says(&["client", "add"], &api)["resource"], "https://api.test");
    for (arguments, input, said) in [
        (vec!["client", "add"], "{}", "redirect_uris"),
        (vec!["client", "add"], "[]", "JSON object"),
        (vec!["client", "add"], "nonsense", "not JSON"),
        (vec!["client", "add"], r#"{"redirect_uris":["http://shop.test/cb"]}"#, "must use https"),
        (
            vec!["client", "add"],
            r#"{"redirect_uris":["https://shop.test/cb?code=1"]}"#,
            "belongs to the response",
        ),
        (vec!["client", "add"], r#"{"redirect_uris":["https://a.test/cb"],"colour":"red"}"#, "colour"),
        (
            vec!["client", "add"],
            r#"{"client_id":"shop","redirect_uris":["https://a.test/cb"]}"#,
            "another client",
        ),
        (vec!["client", "add"], r#"{"resource":"https://api.test"}"#, "another client"),
        (vec!["client", "update", "shop"], r#"{"minimum_acr":"gold"}"#, "gold"),
        (vec!["client", "update", "nobody"], "{}", "no client has"),
        (vec!["client", "update", "shop"], r#"{"client_id":"shop2"}"#, "can't be changed"),
    ] {
        let complaint = place.complains(&arguments, input);
        assert!(complaint.contains(said), "{arguments:?} {input}: {complaint}");
    }
}

#[test]
fn a_registration_with_an_address_that_runs_is_refused_when_it_is_made_and_when_it_is_changed() {
    let place = Place::new();
    let shop = json!({"client_id": "shop", "redirect_uris": ["https://shop.test/cb"]});
    place.says(&["client", "add"], &shop.to_string());
    for (member, value) in [
        ("logo_uri", json!("javascript:alert(1)")),
        ("resource", json!("data:text/html,x")),
        ("post_logout_redirect_uris", json!(["javascript:alert(1)"])),
    ] {
        let update = json!({member: value});
        let mut new = json!({"redirect_uris": ["https://shop.test/cb"]});
        new[member] = value;
        for (arguments, metadata) in
            [(vec!["client", "add"], new), (vec!["client", "update", "shop"], update)]
        {
            let complaint = place.complains(&arguments, &metadata.to_string());
            assert!(complaint.contains(&format!("{member}: ")), "{metadata}: {complaint}");
        }
    }
    assert_eq!(place.says(&["client", "list"], "").as_array().unwrap().len(), 1);
}

#[test]
fn no_name_stands_for_a_user_a_client_and_a_resource_server_at_once() {
    for place in [Place::new(), Place::on(&postgres())] {
        let sub = place.says(&["user", "add", "ada"], "")["sub"].as_str().unwrap().to_owned();
        let issuer = format!("http://localhost:{}", place.port);
        let client =
            |id: &str| json!({"client_id": id, "redirect_uris": ["https://shop.test/cb"]}).to_string();
        place.says(&["client", "add"], &client("shop"));
        place.says(&["client", "add"], &client("https://shop.test"));
        place.says(&["client", "add"], r#"{"client_id": "api", "resource": "https://api.test"}"#);
        for id in [sub.as_str(), &issuer, &format!("{issuer}/"), "https://api.test"] {
            let complaint = place.complains(&["client", "add"], &client(id));
            assert!(complaint.contains("client_id: "), "{id}: {complaint}");
        }
        let taken =
            [issuer.clone(), format!("{issuer}/"), format!("{issuer}/token"), "https://shop.test".into()];
        for resource in &taken {
            let update = json!({"resource": resource}).to_string();
            for arguments in [vec!["client", "add"], vec!["client", "update", "api"]] {
                let complaint = place.complains(&arguments, &update);
                assert!(complaint.contains("resource: "), "{resource}: {complaint}");
            }
        }
        // Itself, too: its ID tokens would be for whom its access tokens are.
        let own = json!({"client_id": "urn:example:own", "resource": "urn:example:own"}).to_string();
        assert!(place.complains(&["client", "add"], &own).contains("resource: "));
        assert_eq!(place.says(&["client", "list"], "").as_array().unwrap().len(), 3);
    }
}

#[test]
fn users_are_disabled_reset_and_deleted_and_clients_get_new_secrets() {
    let place = Place::new();
    place.says(&["user", "add", "ada", "--password-stdin", "--totp"], "correct horse");
    assert_eq!(place.says(&["user", "disable", "ada"], "")["username"], "ada");
    assert_eq!(place.says(&["user", "show", "ada"], "")["disabled"], json!(true));
    place.says(&["user", "enable", "ada"], "");
    assert_eq!(place.says(&["user", "show", "ada"], "")["disabled"], json!(false));
    place.says(&["user", "reset-mfa", "ada"], "");
    assert_eq!(place.says(&["user", "show", "ada"], "")["factors"].as_array().unwrap().len(), 1);
    assert!(place.complains(&["user", "reset-mfa", "ada"], "").contains("no factor beside the password"));
    assert_eq!(place.says(&["session", "list", "ada"], ""), json!([]));
    assert!(place.complains(&["session", "revoke", "x"], "").contains("no session x is known"));
    place.says(&["user", "delete", "ada"], "");
    assert!(place.complains(&["user", "show", "ada"], "").contains("no user is named"));

    let shop = json!({"client_id": "shop", "redirect_uris": ["https://shop.test/cb"]}).to_string();
    let made = place.says(&["client", "add"], &shop);
    let rotated = place.says(&["client", "rotate-secret", "shop"], "");
    assert_ne!(made["client_secret"], rotated["client_secret"]);
    place.says(&["client", "delete", "shop"], "");
    for command in ["delete", "rotate-secret", "show"] {
        assert!(place.complains(&["client", command, "shop"], "").contains("client_id \"shop\""));
    }
}

#[test]
fn a_missing_key_stops_every_command_and_is_named() {
    let place = Place::new();
    place.says(&["migrate"], "");
    let keys = place.says(&["key", "list"], "");
    let states =
        keys.as_array().unwrap().iter().map(|k| (k["alg"].clone(), k["state"].clone())).collect::<Vec<_>>();
    assert_eq!(states, ["ES256", "EdDSA", "PS256", "RS256"].map(|alg| (json!(alg), json!("current"))));
    fs::rename(place.path("keys/ES256-1.json"), place.path("kept")).unwrap();
    assert!(place.complains(&["user", "list"], "").contains("lacks the signing key"));
    fs::rename(place.path("kept"), place.path("keys/ES256-1.json")).unwrap();
    fs::remove_dir_all(place.path("keys")).unwrap();
    assert!(
        place.complains(&["serve"], "").contains("keys/master.key: is missing; restore it from the backup")
    );
}

#[test]
fn a_wrong_setting_stops_the_start_and_names_key_value_and_mend() {
    let place = Place::new();
    let sound = place.says(&["check-config"], "");
    assert_eq!(sound["warnings"], json!([]));
    for (toml, said) in [
        ("isuer = \"x\"", "isuer"),
        (
            "[lifetimes]\ncode = \"10x\"",
            "lifetimes.code = \"10x\" can't be used; write a duration as \"60s\"",
        ),
        (
            "[[acr]]\nname = \"a\"\nany_of = [\"password\"]",
            "acr[0].any_of[0] = \"password\" has \"password\" for a method",
        ),
        ("[argon2]\nmemory_kib = 1", "argon2"),
        ("trusted_proxies = [\"everyone\"]", "trusted_proxies = \"everyone\""),
    ] {
        fs::write(place.path("stepgate.toml"), toml).unwrap();
        for command in ["check-config", "serve", "migrate"] {
            let complaint = place.complains(&[command], "");
            assert!(complaint.contains(said), "{command} {toml}: {complaint}");
        }
    }
    assert!(place.complains(&["check-config", "--config", "nowhere.toml"], "").contains("nowhere.toml"));
}

#[test]
fn one_server_per_file_beside_commands_and_a_stop_that_frees_it() {
    let place = Place::new();
    let server = place.serve(&[]);
    assert!(
        place.complains(&["serve"], "").contains("another `stepgate serve` uses sqlite://var/stepgate.db")
    );
    assert_eq!(place.says(&["user", "add", "ada", "--password-stdin"], "correct horse")["username"], "ada");
    let (stopped, said) = server.stop();
    assert!(stopped, "{said}");
    assert!(said.contains("serving") && said.contains("stopped"), "{said}");
    let (again, _) = place.serve(&[]).stop();
    assert!(again, "the lock went with the server");
}

#[test]
fn another_program_that_looks_into_the_file_takes_nothing_away_from_the_server() {
    let place = Place::new();
    let server = place.serve(&[]);
    for _ in 0..3 {
        place.says(&["user", "list"], "");
        let mut other = Command::new("sqlite3");
        other.args(["var/stepgate.db", "select count(*) from users"]).current_dir(place.folder.path());
        assert!(other.output().unwrap().status.success());
    }
    let open = fs::read_dir(format!("/proc/{}/fd", server.0.id())).unwrap();
    let open = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).collect::<Vec<_>>();
    let lost = open.iter().filter(|file| file.to_string_lossy().contains("(deleted)")).collect::<Vec<_>>();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(open.iter().any(|file| file.ends_with("stepgate.db-wal")), "{open:?}");
}

#[test]
fn a_stop_lets_a_request_under_way_finish_and_takes_no_other() {
    let place = Place::new();
    let server = place.serve(&[]);
    let mut slow = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
    let head = "POST /token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/x-www-form-urlencoded\r\ncontent-length: 28\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    sleep(Duration::from_millis(200));
    Command::new("kill").arg(server.0.id().to_string()).status().unwrap();
    let asked = Instant::now();
    while TcpStream::connect(("127.0.0.1", place.port)).is_ok() {
        assert!(asked.elapsed() < Duration::from_secs(2), "it still takes connections");
        sleep(Duration::from_millis(20));
    }
    slow.write_all(b"grant_type=refresh_token&a=b").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_client"), "{answer}");
    assert!(server.stop().0);
}

/// `cert.pem` and `key.pem`, which nobody vouches for, and the settings that name them.
pub fn self_signed(place: &Place) -> [(&'static str, &'static str); 2] {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    fs::write(place.path("cert.pem"), builder.build().to_pem().unwrap()).unwrap();
    fs::write(place.path("key.pem"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    [("STEPGATE_TLS_CERT", "cert.pem"), ("STEPGATE_TLS_KEY", "key.pem")]
}

#[test]
fn with_a_certificate_it_serves_https_itself() {
    let place = Place::new();
    let [certificate, key] = self_signed(&place);
    let issuer = format!("https://localhost:{}", place.port);
    let server = place.serve(&[("STEPGATE_ISSUER", issuer.as_str()), certificate, key]);
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_verify(openssl::ssl::SslVerifyMode::NONE);
    let plain = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
    let mut stream = connector.build().connect("localhost", plain).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("strict-transport-security"),
        "{answer}"
    );
    drop(server);
}
