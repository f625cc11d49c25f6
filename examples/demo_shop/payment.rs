//! The payment, and the rule that keeps a step-up from going round in circles. The rule is pure.

use reqwest::Client;
use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde::Deserialize;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;
use stepgate_resource::challenge::Challenge;
use stepgate_resource::requirement::Requirement;
use stepgate_resource::requirement::Shown;

pub struct Api {
    http: Client,
    url: String,
}

pub enum Paid {
    Receipt(Receipt),
    Challenged(Challenge),
    /// The token is good for nothing any more; a step-up is not what is missing.
    SignInAgain,
}

#[derive(Clone, Deserialize)]
pub struct Receipt {
    pub amount: String,
    pub acr: String,
    pub auth_time: i64,
}

/// One trip to the provider for one challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    pub challenge: Challenge,
    /// The first round may be answered without a page; the second insists on a new proof.
    pub insist: bool,
}

impl Api {
    pub fn new(url: String) -> Self {
        Self { http: Client::new(), url }
    }

    pub async fn pay(&self, access_token: &str) -> Result<Paid, reqwest::Error> {
        let answer = self.http.post(format!("{}/pay", self.url)).bearer_auth(access_token).send().await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(Paid::Receipt(answer.error_for_status()?.json().await?));
        }
        let values =
            answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenge = values.filter_map(|value| Challenge::parse(value).ok().flatten()).next();
        Ok(challenge.map_or(Paid::SignInAgain, Paid::Challenged))
    }
}

/// What to do about `challenge` after the rounds that were `done` for it: one round, one that insists, and no third.
pub fn next_round(challenge: &Challenge, done: Option<Round>) -> Option<Round> {
    let challenge = challenge.clone();
    match done {
        None => Some(Round { challenge, insist: false }),
        Some(Round { insist: false, .. }) => Some(Round { challenge, insist: true }),
        Some(Round { insist: true, .. }) => None,
    }
}

/// The relying party's own check of what came back: it asked, so it looks.
pub fn is_met(challenge: &Challenge, shown: &Shown, now: i64) -> bool {
    let requirement = Requirement { acr: challenge.acr_values.clone(), max_age: challenge.max_age };
    requirement.evaluate(shown, now).is_ok()
}

/// Seconds since 1970, UTC.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_that_never_ends_is_met_twice_at_most() {
        let challenge = Challenge { acr_values: vec!["mfa".into()], ..Challenge::default() };
        let (mut done, mut insisted) = (None, Vec::new());
        while let Some(round) = next_round(&challenge, done.clone()) {
            insisted.push(round.insist);
            done = Some(round);
        }
        assert_eq!(insisted, [false, true]);
    }

    #[test]
    fn an_answer_that_is_weaker_or_older_than_asked_is_not_believed() {
        let challenge =
            Challenge { acr_values: vec!["mfa".into()], max_age: Some(300), ..Challenge::default() };
        let shown = |acr: &str, at| Shown { acr: Some(acr.into()), auth_time: Some(at) };
        assert!(is_met(&challenge, &shown("mfa", 700), 1000));
        assert!(!is_met(&challenge, &shown("pwd", 1000), 1000));
        assert!(!is_met(&challenge, &shown("mfa", 699), 1000));
    }
}
