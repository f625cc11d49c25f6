//! Codes and tokens: what each is worth by the model, and what the server makes of it.

use super::app::CALLBACK;
use super::browser::Reply;
use super::operation::Presenting;
use super::operation::Revoked;
use super::relying_party::VERIFIER;
use super::relying_party::code;
use super::relying_party::introspect;
use super::relying_party::post_as;
use super::relying_party::token;
use super::relying_party::userinfo;
use super::statement::Statement;
use super::world::CLIENTS;
use super::world::World;
use super::world::sound;
use serde_json::Value;
use serde_json::json;
use stepgate::base::secret::GrantSecret;
use stepgate::base::secret::SecretHash;

/// What one code stands for.
pub struct Grant {
    pub client: usize,
    pub user: usize,
    pub session: usize,
    pub offline: bool,
    pub statement: Statement,
    at: i64,
    code: String,
    pub redeemed: bool,
    pub revoked: bool,
    access: Vec<AccessToken>,
    refresh: Vec<RefreshToken>,
    pub id_token: Option<String>,
}

struct AccessToken {
    text: String,
    at: i64,
    auth_time: i64,
    revoked: bool,
}

struct RefreshToken {
    text: String,
    at: i64,
    used: Option<i64>,
}

const CODE: i64 = 60;
const ACCESS: i64 = 600;
const UNUSED: i64 = 30 * 86_400;
const WHOLE: i64 = 180 * 86_400;
const LOST_ANSWER: i64 = 10;
/// So far may the clocks of two instances differ. What is further ahead was written by a clock that is set back by now.
const APART: i64 = 60;

impl World {
    /// A code has come.
    pub fn granted(
        &mut self,
        reply: &Reply,
        (client, user, session, offline): (usize, usize, usize, bool),
        statement: Statement,
    ) {
        let at = self.now();
        self.sessions[session].answered.insert(client, at);
        self.tell(format!("    for {}: {statement:?}", self.people[user].user.name));
        self.grants.push(Grant {
            client,
            user,
            session,
            offline: offline && client == 1,
            statement,
            at,
            code: code(reply),
            redeemed: false,
            revoked: false,
            access: Vec::new(),
            refresh: Vec::new(),
            id_token: None,
        });
    }

    pub async fn redeem(&mut self, grant: usize, how: Presenting) {
        let this = &self.grants[grant];
        let client = if how == Presenting::AsAnotherClient { (this.client + 1) % 3 } else { this.client };
        let another = "another verifier, as long as one has to be: forty-three letters";
        let verifier = if how == Presenting::WithAnotherVerifier { another } else { VERIFIER };
        let form = [
            ("grant_type", "authorization_code"),
            ("code", this.code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        let reply = token(&self.app, CLIENTS[client], &form).await;
        let buys = self.code_buys(grant, how);
        self.count(if buys { "code redeemed" } else { "code refused" });
        self.tell(format!("    code of grant {grant}: {}, expected {buys}", reply.status));
        self.bought(grant, &reply, buys);
        self.tokens_stand_as_they_should(grant).await;
    }

    /// What presenting it changes, and whether it buys tokens.
    fn code_buys(&mut self, grant: usize, how: Presenting) -> bool {
        let (now, stands) = (self.now(), self.rests_on_what_stands(grant));
        let lives = self.sessions[self.grants[grant].session].lives(&self.people, now);
        let this = &mut self.grants[grant];
        if how == Presenting::AsAnotherClient {
            return false;
        }
        if this.redeemed {
            this.revoked = true;
            return false;
        }
        if this.revoked || now >= this.at + CODE {
            return false;
        }
        this.redeemed = true;
        let buys = how == Presenting::Rightly && lives && stands;
        this.revoked |= !buys;
        buys
    }

    pub async fn refresh(&mut self, place: usize, older: usize, by_its_client: bool) {
        let refreshable =
            (0..self.grants.len()).rev().filter(|grant| !self.grants[*grant].refresh.is_empty());
        let Some(grant) = refreshable.clone().nth(place) else { return };
        let this = &self.grants[grant];
        let at = this.refresh.len().saturating_sub(1 + older);
        let form = [("grant_type", "refresh_token"), ("refresh_token", this.refresh[at].text.as_str())];
        // The other one may use refresh tokens, which this one is not.
        let client = if by_its_client { CLIENTS[this.client] } else { "other" };
        let reply = token(&self.app, client, &form).await;
        let buys = by_its_client && self.refresh_token_buys(grant, at);
        self.count(if buys { "refreshed" } else { "refresh refused" });
        self.tell(format!("    refresh token {at} of grant {grant}: {}, expected {buys}", reply.status));
        self.bought(grant, &reply, buys);
        if buys {
            let text = answer(&reply)["refresh_token"].as_str().unwrap().to_owned();
            let now = self.now();
            let family = &mut self.grants[grant].refresh;
            family[at].used.get_or_insert(now);
            match family.get(at + 1) {
                Some(known) => assert_eq!(known.text, text, "a lost answer is the same one again"),
                None => family.push(RefreshToken { text, at: now, used: None }),
            }
        }
        self.tokens_stand_as_they_should(grant).await;
    }

    fn refresh_token_buys(&mut self, grant: usize, at: usize) -> bool {
        let now = self.now();
        if !self.refresh_token_is_good(grant, at) || !self.rests_on_what_stands(grant) {
            return false;
        }
        let this = &mut self.grants[grant];
        let Some(used) = this.refresh[at].used else { return true };
        let successor_unused = this.refresh.get(at + 1).is_some_and(|successor| successor.used.is_none());
        let recent = used <= now + APART && now <= used + LOST_ANSWER;
        let again = recent && successor_unused;
        this.revoked |= !again;
        again
    }

    /// Apart from its having been used.
    fn refresh_token_is_good(&self, grant: usize, at: usize) -> bool {
        let (this, now) = (&self.grants[grant], self.now());
        let expires = (this.refresh[at].at + UNUSED).min(this.at + WHOLE);
        let in_use = self.sessions[this.session].is_in_use(&self.people, now);
        !this.revoked && self.people[this.user].enabled && now < expires && (this.offline || in_use)
    }

    pub async fn revoke(&mut self, place: usize, what: Revoked) {
        let redeemed = (0..self.grants.len()).rev().filter(|grant| !self.grants[*grant].access.is_empty());
        let Some(grant) = redeemed.clone().nth(place) else { return };
        let this = &self.grants[grant];
        let newest = match what {
            Revoked::AccessToken => this.access.last().map(|token| token.text.clone()),
            Revoked::RefreshToken => this.refresh.last().map(|token| token.text.clone()),
        };
        let Some(newest) = newest else { return };
        let reply = post_as(&self.app, CLIENTS[this.client], "/revoke", &[("token", &newest)]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let this = &mut self.grants[grant];
        match what {
            Revoked::AccessToken => this.access.last_mut().unwrap().revoked = true,
            Revoked::RefreshToken => this.revoked = true,
        }
        self.everything_stands_as_it_should().await;
    }

    /// Tokens state what was proved when the code was written, however often they are renewed; or nothing was bought.
    fn bought(&mut self, grant: usize, reply: &Reply, buys: bool) {
        sound(reply);
        if !buys {
            assert_eq!(reply.status, 400, "it buys nothing: {reply:?}");
            assert_eq!(answer(reply)["error"], "invalid_grant");
            return;
        }
        assert_eq!(reply.status, 200, "it buys tokens: {reply:?}");
        let tokens = answer(reply);
        let text = |name: &str| tokens[name].as_str().map(str::to_owned);
        let (id_token, access) = (text("id_token").unwrap(), text("access_token").unwrap());
        let claims = |token: &str| Value::Object(self.app.app.keys.verify(token).unwrap().claims);
        let (of_id, of_access) = (claims(&id_token), claims(&access));
        let (now, this) = (self.now(), &self.grants[grant]);
        let Statement { acr, amr, auth_time, .. } = &this.statement;
        // The clock may have been set back since.
        let auth_time = *auth_time.min(&now);
        for (claims, aud) in [(&of_id, json!(CLIENTS[this.client])), (&of_access, json!(super::app::ISSUER))]
        {
            let stated = ["sub", "acr", "auth_time", "aud", "iat"].map(|name| claims[name].clone());
            let sub = json!(self.people[this.user].user.id);
            assert_eq!(stated, [sub, json!(acr), json!(auth_time), aud, json!(now)], "{claims}");
        }
        assert_eq!(of_id["amr"], json!(amr));
        let (first, refresh) = (!this.redeemed_before(), text("refresh_token"));
        let this = &mut self.grants[grant];
        this.access.push(AccessToken { text: access, at: now, auth_time, revoked: false });
        this.id_token = Some(id_token);
        if let (true, Some(text)) = (first, refresh) {
            this.refresh.push(RefreshToken { text, at: now, used: None });
        }
    }

    fn rests_on_what_stands(&self, grant: usize) -> bool {
        let this = &self.grants[grant];
        this.statement.behind.iter().all(|proof| self.people[this.user].has(proof.factor))
    }

    /// What introspection and userinfo say of every token that a grant ever bought.
    pub async fn tokens_stand_as_they_should(&self, grant: usize) {
        for at in 0..self.grants[grant].access.len() {
            self.access_token_stands_as_it_should(grant, at).await;
        }
        for at in 0..self.grants[grant].refresh.len() {
            let this = &self.grants[grant];
            let token = &this.refresh[at];
            // Used is used, whether its answer was lost or not.
            let active = token.used.is_none() && self.refresh_token_is_good(grant, at);
            let said = introspect(&self.app, CLIENTS[this.client], &token.text).await;
            assert_eq!(said["active"], json!(active), "refresh token {at} of grant {grant}: {said}");
        }
    }

    async fn access_token_stands_as_it_should(&self, grant: usize, at: usize) {
        let this = &self.grants[grant];
        let token = &this.access[at];
        let stands = this.redeemed && !this.revoked && self.people[this.user].enabled;
        let stands = stands && self.rests_on_what_stands(grant);
        let active = stands && !token.revoked && self.now() < token.at + ACCESS;
        let said = introspect(&self.app, CLIENTS[this.client], &token.text).await;
        if active {
            let sub = json!(self.people[this.user].user.id);
            let told = ["active", "sub", "acr", "auth_time"].map(|name| said[name].clone());
            let stated = [json!(true), sub, json!(this.statement.acr), json!(token.auth_time)];
            assert_eq!(told, stated, "access token {at} of grant {grant}: {said}");
        } else {
            let (revoked, now) = (this.revoked || token.revoked, self.now());
            let why =
                format!("revoked: {revoked}, rests on what stands: {stands}, at {} and now {now}", token.at);
            assert_eq!(said, json!({"active": false}), "access token {at} of grant {grant} has ended: {why}");
        }
        let status = userinfo(&self.app, &token.text).await.status;
        assert_eq!(status, if active { 200 } else { 401 }, "userinfo, access token {at} of grant {grant}");
    }
}

impl Grant {
    /// By which the database knows it.
    pub fn code_hash(&self) -> SecretHash {
        GrantSecret::presented(&self.code).hash()
    }

    fn redeemed_before(&self) -> bool {
        !self.access.is_empty()
    }
}

fn answer(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_default()
}
