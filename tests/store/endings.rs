//! What ends with a user, a factor or a session.

use crate::NOW;
use crate::database::databases;
use crate::people::add_user;
use stepgate::base::id::ClientId;
use stepgate::base::id::CredentialId;
use stepgate::base::id::GrantId;
use stepgate::base::id::SessionId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::time::Seconds;
use stepgate::store::Store;
use stepgate::store::clients;
use stepgate::store::clients::NewClient;
use stepgate::store::grants;
use stepgate::store::grants::CodeTimes;
use stepgate::store::grants::Grant;

/// Grants of one user: `g1` of session `s1` with a password, `g2` of `s1` with a code too, `g3` offline.
async fn granted(store: &Store) {
    add_user(store, "u1", "ada", None).await;
    store
        .write(|c| {
            let client = ClientId::from_text("shop");
            let new =
                NewClient { id: &client, metadata: "{}", secret_hash: None, resource: None, origins: &[] };
            clients::insert(c, &new, NOW)?;
            for (id, credentials, offline) in
                [("g1", r#"["pwd1"]"#, false), ("g2", r#"["pwd1","otp1"]"#, false), ("g3", "[]", true)]
            {
                let grant = Grant {
                    id: GrantId::from_text(id),
                    client: client.clone(),
                    user: UserId::from_text("u1"),
                    session: SessionId::from_text("s1"),
                    scope: "openid".into(),
                    request: "{}".into(),
                    assurance: format!("{{\"credentials\":{credentials}}}"),
                    offline,
                    granted_at: NOW,
                };
                let times =
                    CodeTimes { code_expires_at: NOW.plus(Seconds(60)), expires_at: NOW.plus(Seconds(600)) };
                let code = Secret::presented(id).hash();
                grants::insert(c, &grant, &code, &times)?;
                grants::redeem(c, &code, &client, None, NOW)?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

async fn standing(store: &Store) -> Vec<&'static str> {
    let mut standing = Vec::new();
    for id in ["g1", "g2", "g3"] {
        if store.read(move |c| grants::standing(c, &GrantId::from_text(id))).await.unwrap().is_some() {
            standing.push(id);
        }
    }
    standing
}

#[tokio::test]
async fn a_removed_factor_takes_what_rested_on_it_and_nothing_else() {
    for db in databases() {
        granted(&db.store).await;
        let resting = |c: &mut _| {
            grants::revoke_resting_on(c, &UserId::from_text("u1"), &CredentialId::from_text("otp1"), NOW)
        };
        db.store.write(resting).await.unwrap();
        assert_eq!(standing(&db.store).await, ["g1", "g3"], "{}", db.name);
    }
}

#[tokio::test]
async fn a_session_takes_its_grants_but_those_that_outlive_it() {
    for db in databases() {
        granted(&db.store).await;
        let end = |user| {
            let (user, session) = (UserId::from_text(user), SessionId::from_text("s1"));
            db.store.write(move |c| grants::end_with_session(c, &user, &session, NOW))
        };
        end("u2").await.unwrap();
        assert_eq!(standing(&db.store).await, ["g1", "g2", "g3"], "{}: another user's session", db.name);
        end("u1").await.unwrap();
        assert_eq!(standing(&db.store).await, ["g3"], "{}", db.name);
        db.store.write(|c| grants::revoke_of_user(c, &UserId::from_text("u1"), "gone", NOW)).await.unwrap();
        assert_eq!(standing(&db.store).await, Vec::<&str>::new(), "{}", db.name);
    }
}
