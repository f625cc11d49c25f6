use crate::NOW;
use crate::database::databases;
use crate::people::add_user;
use crate::winners;
use stepgate::base::id::ClientId;
use stepgate::base::id::GrantId;
use stepgate::base::id::SessionId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::secret::SecretHash;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::Store;
use stepgate::store::clients;
use stepgate::store::clients::NewClient;
use stepgate::store::grants;
use stepgate::store::grants::CodeTimes;
use stepgate::store::grants::Grant;

fn code() -> SecretHash {
    Secret::presented("code").hash()
}

async fn granted(store: &Store) {
    add_user(store, "u1", "ada", None).await;
    store
        .write(|c| {
            let client = ClientId::from_text("shop");
            clients::insert(
                c,
                &NewClient { id: &client, metadata: "{}", secret_hash: None, resource: None, origins: &[] },
                NOW,
            )?;
            let grant = Grant {
                id: GrantId::from_text("g1"),
                client,
                user: UserId::from_text("u1"),
                session: SessionId::from_text("s1"),
                scope: "openid".into(),
                request: "{}".into(),
                assurance: "{}".into(),
                offline: false,
                granted_at: NOW,
            };
            let code_expires_at = NOW.plus(Seconds(60));
            let expires_at = NOW.plus(Seconds::hours(1));
            grants::insert(c, &grant, &code(), &CodeTimes { code_expires_at, expires_at })
        })
        .await
        .unwrap();
}

async fn redeem(store: Store, client: &'static str, now: Time) -> bool {
    let grant = store
        .write(move |c| grants::redeem(c, &code(), &ClientId::from_text(client), None, now))
        .await
        .unwrap();
    grant.is_some_and(|grant| grant.id.as_str() == "g1" && grant.user.as_str() == "u1")
}

async fn stands(store: &Store) -> bool {
    store.read(|c| grants::standing(c, &GrantId::from_text("g1"))).await.unwrap().is_some()
}

#[tokio::test]
async fn a_code_is_redeemed_once_by_one_of_fifty_and_replays_revoke_what_it_bought() {
    for db in databases() {
        granted(&db.store).await;
        assert!(!stands(&db.store).await, "an unredeemed grant opens nothing");
        assert_eq!(winners(|_| redeem(db.store.clone(), "shop", NOW)).await, 1, "{}", db.name);
        assert!(stands(&db.store).await);
        let revoke = |client: &'static str| {
            db.store.write(move |c| {
                let revoked = grants::revoke_replayed(c, &code(), &ClientId::from_text(client), NOW)?;
                Ok(revoked.map(|grant| grant.id))
            })
        };
        assert_eq!(revoke("evil").await.unwrap(), None, "{}", db.name);
        assert!(stands(&db.store).await, "a stranger's replay is no weapon");
        assert_eq!(revoke("shop").await.unwrap(), Some(GrantId::from_text("g1")), "{}", db.name);
        assert!(!stands(&db.store).await);
        assert_eq!(revoke("shop").await.unwrap(), None);
    }
}

#[tokio::test]
async fn another_clients_try_leaves_the_code_as_it_was_and_a_code_dies_with_its_minute() {
    for db in databases() {
        granted(&db.store).await;
        assert!(!redeem(db.store.clone(), "evil", NOW).await, "{}", db.name);
        assert!(!redeem(db.store.clone(), "shop", NOW.plus(Seconds(60))).await, "{}", db.name);
        assert!(redeem(db.store.clone(), "shop", NOW.plus(Seconds(59))).await, "{}", db.name);
    }
}

#[tokio::test]
async fn a_revoked_grant_is_never_redeemed() {
    for db in databases() {
        granted(&db.store).await;
        db.store.write(|c| grants::revoke(c, &GrantId::from_text("g1"), "signed out", NOW)).await.unwrap();
        assert!(!redeem(db.store.clone(), "shop", NOW).await, "{}", db.name);
        assert!(!stands(&db.store).await);
    }
}
