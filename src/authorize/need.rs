//! From what a request and its client want to a [`Need`]. Pure.

use crate::assurance::need::Need;
use crate::assurance::need::Requested;
use crate::assurance::policy::Policy;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::protocol::claims_request::AcrRequest;
use crate::protocol::error::Fault;
use crate::protocol::metadata::ClientMetadata;
use crate::protocol::prompt::Prompt;
use serde::Deserialize;
use serde::Serialize;

/// What the request says about authentication.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Wishes {
    pub prompt: Prompt,
    pub max_age: Option<Seconds>,
    /// `acr_values`, empty when absent.
    pub acr_values: Vec<String>,
    /// `acr` in `claims`.
    pub acr_claim: Option<AcrRequest>,
    pub subject: Option<UserId>,
}

/// The client's and the resource servers' floors hold whatever the request says; defaults give way to it.
pub fn need(
    wishes: &Wishes,
    client: &ClientMetadata,
    resources: &[ClientMetadata],
    policy: &Policy,
) -> Result<Need, Fault> {
    let everyone = || std::iter::once(client).chain(resources);
    let wished = wishes.max_age.or(client.default_max_age);
    let max_age = wished.into_iter().chain(everyone().filter_map(|m| m.maximum_age)).min();
    let mut floors = Vec::<String>::new();
    for floor in everyone().filter_map(|m| m.minimum_acr.as_ref()) {
        if !floors.contains(floor) {
            floors.push(floor.clone());
        }
    }
    Ok(Need {
        requested: requested(wishes, client, policy)?,
        floors,
        max_age,
        // OIDC Core §3.1.2.1: max_age=0 is prompt=login in other words.
        anew: wishes.prompt.login || max_age == Some(Seconds(0)),
        silent: wishes.prompt.none,
        subject: wishes.subject.clone(),
        interaction: None,
    })
}

fn requested(wishes: &Wishes, client: &ClientMetadata, policy: &Policy) -> Result<Requested, Fault> {
    let claim = wishes.acr_claim.as_ref().filter(|claim| !claim.values.is_empty());
    match (claim, wishes.acr_values.as_slice()) {
        (None, []) => Ok(match client.default_acr_values.as_slice() {
            // Essential without values: any class will do.
            _ if wishes.acr_claim.is_some() => Requested::Any,
            [] => Requested::Any,
            defaults => weighed(defaults.to_vec(), client),
        }),
        (None, values) => Ok(weighed(values.to_vec(), client)),
        (Some(claim), []) if claim.essential => Ok(Requested::Required(claim.values.clone())),
        (Some(claim), []) => Ok(Requested::Preferred(claim.values.clone())),
        (Some(claim), values) => {
            let both = claim.values.iter().filter(|name| values.iter().any(|v| same(policy, v, name)));
            let both = both.cloned().collect::<Vec<_>>();
            if both.is_empty() {
                return Err(Fault::invalid_request(
                    "acr_values and claims have no acr in common; send one of them.",
                ));
            }
            Ok(if claim.essential { Requested::Required(both) } else { weighed(both, client) })
        }
    }
}

/// RFC 9470 §5: `acr_values` is a requirement, unless the client is registered for plain OpenID Connect.
fn weighed(names: Vec<String>, client: &ClientMetadata) -> Requested {
    if client.acr_values_voluntary { Requested::Preferred(names) } else { Requested::Required(names) }
}

fn same(policy: &Policy, a: &str, b: &str) -> bool {
    a == b || policy.class(a).is_some_and(|class| policy.class(b) == Some(class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client(more: serde_json::Value) -> ClientMetadata {
        let mut metadata = json!({"redirect_uris": ["https://rp.test/cb"]});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(metadata).unwrap()
    }

    fn claim(essential: bool, values: &[&str]) -> Option<AcrRequest> {
        Some(AcrRequest { essential, values: names(values) })
    }

    fn names(values: &[&str]) -> Vec<String> {
        values.iter().map(|v| (*v).to_owned()).collect()
    }

    fn asked(
        acr_values: &[&str],
        acr_claim: Option<AcrRequest>,
        of: &ClientMetadata,
    ) -> Result<Requested, Fault> {
        let wishes = Wishes { acr_values: names(acr_values), acr_claim, ..Wishes::default() };
        need(&wishes, of, &[], &Policy::default()).map(|need| need.requested)
    }

    #[test]
    fn acr_values_are_required_unless_the_client_is_registered_for_less() {
        let plain = client(json!({}));
        let voluntary = client(json!({"acr_values_voluntary": true}));
        assert_eq!(asked(&["phr"], None, &plain), Ok(Requested::Required(names(&["phr"]))));
        assert_eq!(asked(&["phr"], None, &voluntary), Ok(Requested::Preferred(names(&["phr"]))));
        assert_eq!(asked(&[], claim(true, &["phr"]), &voluntary), Ok(Requested::Required(names(&["phr"]))));
        assert_eq!(asked(&[], claim(false, &["phr"]), &plain), Ok(Requested::Preferred(names(&["phr"]))));
        assert_eq!(asked(&[], claim(true, &[]), &plain), Ok(Requested::Any));
        assert_eq!(asked(&[], None, &plain), Ok(Requested::Any));
    }

    #[test]
    fn acr_values_and_claims_together_are_their_intersection_in_the_order_of_claims() {
        let plain = client(json!({}));
        let both = asked(&["phr", "a"], claim(true, &["b", "a", "phr"]), &plain);
        assert_eq!(both, Ok(Requested::Required(names(&["a", "phr"]))));
        assert!(asked(&["phr"], claim(true, &["a"]), &plain).is_err());
    }

    #[test]
    fn defaults_give_way_to_the_request_and_floors_do_not() {
        let of = client(json!({"default_max_age": 600, "default_acr_values": ["phr"]}));
        assert_eq!(asked(&[], None, &of), Ok(Requested::Required(names(&["phr"]))));
        assert_eq!(asked(&["a"], None, &of), Ok(Requested::Required(names(&["a"]))));
        let age = |max_age: Option<u32>, of: &ClientMetadata, resources: &[ClientMetadata]| {
            let wishes = Wishes { max_age: max_age.map(Seconds), ..Wishes::default() };
            let need = need(&wishes, of, resources, &Policy::default()).unwrap();
            (need.max_age.map(|s| s.0), need.anew)
        };
        assert_eq!(age(None, &of, &[]), (Some(600), false));
        assert_eq!(age(Some(3600), &of, &[]), (Some(3600), false));
        assert_eq!(age(Some(0), &of, &[]), (Some(0), true));
        assert_eq!(age(None, &client(json!({"default_max_age": 0})), &[]), (Some(0), true));
        let floor = client(json!({"maximum_age": 60, "minimum_acr": "phr"}));
        assert_eq!(age(Some(3600), &floor, &[]), (Some(60), false));
        assert_eq!(age(Some(10), &floor, &[]), (Some(10), false));
        assert_eq!(age(None, &of, &[floor]), (Some(60), false));
    }
}
