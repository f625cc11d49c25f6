//! `stepgate user update`: what an administrator changes about somebody. All of it, or nothing.

use super::Said;
use super::input;
use super::user::When;
use super::user::email;
use super::user::find;
use crate::app::App;
use crate::interaction::told;
use crate::protocol::standard_claims;
use crate::protocol::standard_claims::GROUPS;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::interactions;
use crate::store::lost;
use crate::store::mail_codes;
use crate::store::users;
use crate::store::users::Added;
use anyhow::bail;
use clap::Args;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
#[group(required = true, multiple = true)]
pub struct Update {
    name: String,
    /// An address that counts as verified, instead of the one there was.
    #[arg(long)]
    email: Option<String>,
    /// A JSON file of standard claims (OpenID Connect Core §5.1) to merge; null removes one.
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// The groups that the user belongs to, separated by commas; an empty text for none.
    #[arg(long, value_name = "GROUPS")]
    groups: Option<String>,
    /// When the second factor is asked for.
    #[arg(long, value_enum)]
    second_factor: Option<When>,
}

impl Update {
    pub fn name(&self) -> &str {
        &self.name
    }
}

pub async fn update(app: &App, update: Update) -> anyhow::Result<Said> {
    if update.email.is_none()
        && update.claims.is_none()
        && update.groups.is_none()
        && update.second_factor.is_none()
    {
        bail!("nothing to change; give --email, --claims, --groups or --second-factor");
    }
    let user = find(app, &update.name).await?;
    let address = update.email.as_deref().map(email).transpose()?;
    let claims = Value::Object(claims(&user.claims, &update)?).to_string();
    let (now, id, known) = (app.now(), user.id.clone(), user.claims.clone());
    let entry = super::entry(app, What::UserUpdated).user(&id);
    let letter = super::letter(app, &user, told::What::NewAddress);
    let updated = app.store.write(move |c| {
        if !users::replace_claims(c, &id, &known, &claims)? {
            return lost();
        }
        if let Some(address) = &address {
            let before = users::addresses(c, &id)?;
            // Told to the old address as well: whoever reads that one may know better.
            let is_another = !before.is_empty() && before != [address.as_str()];
            let letter = letter.filter(|_| is_another);
            letter.iter().try_for_each(|letter| letter.post(c))?;
            if users::replace_email(c, &id, address, now)? == Added::NameTaken {
                return lost();
            }
            if is_another {
                // Attack: a code that the old mailbox was sent opens what the new one is not asked for.
                interactions::finish_all(c, &id, now)?;
                mail_codes::forget(c, &id)?;
            }
            letter.iter().try_for_each(|letter| letter.post(c))?;
        }
        if let Some(when) = update.second_factor {
            users::set_second_factor(c, &id, when.into())?;
        }
        audit::append(c, &entry)
    });
    match updated.await {
        Err(crate::store::StoreError::Lost) => {
            bail!(
                "the address belongs to another user, or somebody else changed this one; look and try again"
            )
        }
        updated => updated?,
    }
    let json = json!({"sub": user.id, "username": user.username});
    Ok(Said { json, words: format!("{} is changed.", user.username) })
}

fn claims(known: &str, update: &Update) -> anyhow::Result<Map<String, Value>> {
    let mut claims = serde_json::from_str::<Map<String, Value>>(known)?;
    if let Some(path) = &update.claims {
        let Value::Object(mut given) = input::json(path)? else { bail!("claims are a JSON object") };
        given.retain(|name, value| match value {
            Value::Null => {
                claims.remove(name);
                false
            }
            _ => true,
        });
        claims.extend(standard_claims::parse(Value::Object(given)).map_err(anyhow::Error::msg)?);
    }
    if let Some(email) = &update.email {
        claims.insert("email".into(), json!(email));
        claims.insert("email_verified".into(), json!(true));
    }
    if let Some(groups) = &update.groups {
        let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty()).collect::<Vec<_>>();
        match groups.is_empty() {
            true => claims.remove(GROUPS),
            false => claims.insert(GROUPS.into(), json!(groups)),
        };
    }
    Ok(claims)
}
