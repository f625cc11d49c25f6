use crate::NOW;
use crate::database::databases;
use crate::winners;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::id::ClientId;
use stepgate::base::id::CredentialId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::Store;
use stepgate::store::clients;
use stepgate::store::clients::NewClient;
use stepgate::store::clients::Registered;
use stepgate::store::credentials;
use stepgate::store::credentials::Credential;
use stepgate::store::credentials::Kind;
use stepgate::store::users;
use stepgate::store::users::Added;
use stepgate::store::users::LoginName;
use stepgate::store::users::NewUser;

pub async fn add_user(store: &Store, id: &'static str, name: &str, email: Option<&str>) -> Added {
    let (name, email) = (LoginName::parse(name).unwrap(), email.map(|e| LoginName::parse(e).unwrap()));
    store
        .write(move |c| {
            let id = UserId::from_text(id);
            let second_factor = SecondFactor::StepUp;
            let user = NewUser { id: &id, name: &name, email: email.as_ref(), claims: "{}", second_factor };
            users::insert(c, &user, NOW)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_user_is_found_by_every_name_in_any_spelling_and_a_name_belongs_to_one() {
    for db in databases() {
        assert_eq!(add_user(&db.store, "u1", "Ada", Some("ada@Example.com")).await, Added::Done);
        assert_eq!(add_user(&db.store, "u2", "aDA", None).await, Added::NameTaken, "{}", db.name);
        assert_eq!(add_user(&db.store, "u3", "bob", Some("ADA@example.com")).await, Added::NameTaken);
        for name in ["ada", "ADA", "Ada@example.com"] {
            let name = LoginName::parse(name).unwrap();
            let found = db.store.read(move |c| users::by_login_name(c, &name)).await.unwrap().unwrap();
            assert_eq!((found.id.as_str(), found.username.as_str()), ("u1", "ada"));
            assert!(!found.disabled && found.second_factor == SecondFactor::StepUp);
        }
        // Whoever was refused a name left nothing behind.
        assert_eq!(db.store.read(users::list).await.unwrap().len(), 1, "{}", db.name);
        let nobody = db.store.read(|c| users::by_id(c, &UserId::from_text("u2"))).await.unwrap();
        assert!(nobody.is_none());
    }
}

#[test]
fn login_names_are_printable_ascii() {
    for name in ["", "a b", "аda", "ada\u{200b}", "straße", "ad\u{202e}a", "a\n", &"x".repeat(255)] {
        assert!(LoginName::parse(name).is_none(), "{name:?}");
    }
}

#[tokio::test]
async fn a_totp_step_is_spent_once_by_one_of_fifty() {
    for db in databases() {
        add_user(&db.store, "u1", "ada", None).await;
        let factor =
            |id: &str, kind| Credential::new(CredentialId::from_text(id), kind, "sealed".into(), NOW);
        let (totp, pwd) = (factor("c1", Kind::Totp), factor("c2", Kind::Password));
        db.store
            .write(move |c| {
                credentials::insert(c, &UserId::from_text("u1"), &totp)?;
                credentials::insert(c, &UserId::from_text("u1"), &pwd)
            })
            .await
            .unwrap();
        let spend = |step| {
            let store = db.store.clone();
            async move {
                store
                    .write(move |c| credentials::spend_step(c, &CredentialId::from_text("c1"), step))
                    .await
                    .unwrap()
            }
        };
        assert_eq!(winners(|_| spend(7)).await, 1, "{}", db.name);
        assert!(!spend(7).await && !spend(6).await && spend(8).await, "{}", db.name);

        let second = factor("c3", Kind::Totp);
        let twice = db.store.write(move |c| credentials::insert(c, &UserId::from_text("u1"), &second)).await;
        assert!(twice.is_err(), "{}", db.name);

        let there = |id: &'static str, since: Time| {
            let factors = [(CredentialId::from_text("c1"), NOW), (CredentialId::from_text(id), since)];
            db.store.read(move |c| credentials::stand(c, &UserId::from_text("u1"), &factors))
        };
        assert!(there("c2", NOW).await.unwrap() && !there("gone", NOW).await.unwrap(), "{}", db.name);
        assert!(!there("c2", NOW.plus(Seconds(1))).await.unwrap(), "{}: it is another by now", db.name);
    }
}

#[tokio::test]
async fn a_client_is_registered_once_and_updated_from_the_version_that_was_read() {
    for db in databases() {
        let register = |id: &'static str, resource: Option<&'static str>| {
            db.store.write(move |c| {
                let (id, hash) = (ClientId::from_text(id), Secret::presented("s").hash());
                clients::insert(
                    c,
                    &NewClient {
                        id: &id,
                        metadata: "{}",
                        secret_hash: Some(&hash),
                        resource,
                        origins: &["https://a.test".into()],
                    },
                    NOW,
                )
            })
        };
        assert_eq!(register("shop", None).await.unwrap(), Registered::Done);
        assert_eq!(register("shop", None).await.unwrap(), Registered::Taken, "{}", db.name);
        assert_eq!(register("api", Some("https://api.test")).await.unwrap(), Registered::Done);
        assert_eq!(
            register("api2", Some("https://api.test")).await.unwrap(),
            Registered::Taken,
            "{}",
            db.name
        );
        let update = |version| {
            db.store.write(move |c| {
                let id = ClientId::from_text("shop");
                let client = NewClient {
                    id: &id,
                    metadata: "{\"a\":1}",
                    secret_hash: None,
                    resource: None,
                    origins: &["https://b.test".into()],
                };
                clients::update(c, &client, version)
            })
        };
        let first = NOW.micros();
        assert_eq!(update(first).await.unwrap(), Registered::Done);
        assert_eq!(update(first).await.unwrap(), Registered::Changed, "{}", db.name);
        let shop = db.store.read(|c| clients::by_id(c, &ClientId::from_text("shop"))).await.unwrap().unwrap();
        assert_eq!((shop.version, shop.metadata.as_str(), shop.secret_hash), (first + 1, "{\"a\":1}", None));
        let known = |origin: &'static str| db.store.read(move |c| clients::has_origin(c, origin));
        assert!(known("https://a.test").await.unwrap(), "of the api");
        assert!(known("https://b.test").await.unwrap() && !known("https://c.test").await.unwrap());
        let found =
            db.store.read(|c| clients::by_resources(c, &["https://api.test", "https://x"])).await.unwrap();
        assert_eq!(found.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["api"]);
        assert_eq!(db.store.read(clients::list).await.unwrap().len(), 2);
    }
}
