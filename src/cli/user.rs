//! `stepgate user`: people who sign in. An administrator's word is believed: an e-mail address given here is verified.

use super::Said;
use super::input;
use super::lifecycle;
use super::update;
use super::update::Update;
use crate::account::passkeys::ANOTHER_PASSWORD;
use crate::app::App;
use crate::assurance::factors::SecondFactor;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::costs::Cost;
use crate::credential::password::Busy;
use crate::credential::password::NewPassword;
use crate::credential::totp::TotpSecret;
use crate::interaction::attempt::logged_name;
use crate::interaction::told;
use crate::protocol::language::Language;
use crate::protocol::standard_claims;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::events;
use crate::store::grants;
use crate::store::interactions;
use crate::store::sessions;
use crate::store::users;
use crate::store::users::Added;
use crate::store::users::LoginName;
use crate::store::users::NewUser;
use crate::store::users::User;
use crate::store::users::second_factor_text;
use crate::texts;
use anyhow::Context;
use anyhow::bail;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Add a user.
    Add(Add),
    /// List all users.
    List,
    /// Show a user and the factors they have.
    Show { name: String },
    /// Change a user's address, claims, groups, or when the second factor is asked for.
    Update(Update),
    /// Keep a user out; their sessions and grants end.
    Disable { name: String },
    /// Let a user in again.
    Enable { name: String },
    /// Let a user try again at once whom failed tries have slowed down.
    Unlock { name: String },
    /// Take a user's second factor away, for one who has lost it.
    ResetMfa { name: String },
    /// Delete a user.
    Delete { name: String },
    /// Replace a user's password; their sessions and grants end.
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

#[derive(Args)]
pub struct Add {
    /// The user name: printable ASCII without spaces.
    name: String,
    /// An address that counts as verified and can be signed in with.
    #[arg(long)]
    email: Option<String>,
    /// A JSON file of standard claims (OpenID Connect Core §5.1).
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordSource,
    /// Set up one-time codes; prints the otpauth:// URI for the authenticator app.
    #[arg(long)]
    totp: bool,
    /// When the second factor is asked for.
    #[arg(long, value_enum, default_value = "sign-in")]
    second_factor: When,
}

#[derive(Args)]
#[group(multiple = false)]
pub struct PasswordSource {
    /// Read the password from standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum When {
    SignIn,
    StepUp,
}

impl From<When> for SecondFactor {
    fn from(when: When) -> Self {
        match when {
            When::SignIn => Self::SignIn,
            When::StepUp => Self::StepUp,
        }
    }
}

impl Command {
    pub fn what(&self) -> Option<What> {
        match self {
            Self::Add(_) => Some(What::UserAdded),
            Self::Update(_) => Some(What::UserUpdated),
            Self::Disable { .. } => Some(What::UserDisabled),
            Self::Enable { .. } => Some(What::UserEnabled),
            Self::Unlock { .. } => Some(What::UserUnlocked),
            Self::ResetMfa { .. } => Some(What::UserFactorsReset),
            Self::Delete { .. } => Some(What::UserDeleted),
            Self::SetPassword { .. } => Some(What::UserPasswordSet),
            Self::List | Self::Show { .. } => None,
        }
    }

    /// Whom it is about; a user who is being added is nobody yet.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Update(update) => Some(update.name()),
            Self::Show { name }
            | Self::Disable { name }
            | Self::Enable { name }
            | Self::Unlock { name }
            | Self::ResetMfa { name }
            | Self::Delete { name }
            | Self::SetPassword { name, .. } => Some(name),
            Self::Add(_) | Self::List => None,
        }
    }
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<Said> {
    match command {
        Command::Add(add) => self::add(app, add).await,
        Command::List => list(app).await,
        Command::Show { name } => show(app, &name).await,
        Command::Update(update) => update::update(app, update).await,
        Command::Disable { name } => lifecycle::disable(app, find(app, &name).await?).await,
        Command::Enable { name } => lifecycle::enable(app, find(app, &name).await?).await,
        Command::Unlock { name } => lifecycle::unlock(app, find(app, &name).await?).await,
        Command::ResetMfa { name } => lifecycle::reset_mfa(app, find(app, &name).await?).await,
        Command::Delete { name } => lifecycle::delete(app, find(app, &name).await?).await,
        Command::SetPassword { name, password } => set_password(app, &name, password).await,
    }
}

async fn add(app: &App, add: Add) -> anyhow::Result<Said> {
    let now = app.now();
    let id = UserId::generate(app.entropy.as_ref(), now);
    let name = login_name(&add.name)?;
    let email = add.email.as_deref().map(email).transpose()?;
    let claims = Value::Object(claims(&add)?);
    let names = [vec![add.name.clone()], users::names_among(&claims)].concat();
    let claims = claims.to_string();
    let second_factor = add.second_factor.into();
    let mut factors = Vec::new();
    if let Some(password) = add.password.read()? {
        factors.push(hashed(app, &password, &names, now).await?);
    }
    let secret = add.totp.then(|| TotpSecret::generate(app.entropy.as_ref()));
    if let Some(secret) = &secret {
        factors.push(sealed(app, secret, now)?);
    }
    let uri = secret.as_ref().map(|secret| otpauth_uri(app, secret, name.as_str())).transpose()?;
    let (user, sub) = (id.clone(), id.to_string());
    let username = name.as_str().to_owned();
    let entry = super::entry(app, What::UserAdded).user(&id);
    let added = app.store.write(move |c| {
        let new = NewUser { id: &user, name: &name, email: email.as_ref(), claims: &claims, second_factor };
        let added = users::insert(c, &new, now)?;
        if added == Added::Done {
            factors.iter().try_for_each(|factor| credentials::insert(c, &user, factor))?;
            audit::append(c, &entry)?;
        }
        Ok(added)
    });
    if added.await? == Added::NameTaken {
        bail!("the user name or the e-mail address belongs to another user; choose another one");
    }
    let mut json = json!({"sub": sub, "username": username});
    let mut words = format!("Added {username} ({sub}).\n");
    if let (Some(uri), Some(json)) = (uri, json.as_object_mut()) {
        words.push_str(&format!("For the authenticator app, once: {uri}\n"));
        json.insert("totp".into(), json!({"otpauth_uri": uri}));
    }
    Ok(Said { json, words })
}

async fn list(app: &App) -> anyhow::Result<Said> {
    let users = app.store.read(users::list).await?;
    let words = users.iter().map(|user| format!("{}  {}\n", user.id, user.username)).collect();
    let json = users.iter().map(described).collect();
    Ok(Said { json: Value::Array(json), words })
}

async fn show(app: &App, name: &str) -> anyhow::Result<Said> {
    let user = find(app, name).await?;
    let id = user.id.clone();
    let read = app.store.read(move |c| Ok((credentials::of_user(c, &id)?, users::login_names(c, &id)?)));
    let (factors, names) = read.await?;
    let mut json = described(&user);
    if let Some(json) = json.as_object_mut() {
        json.insert("factors".into(), factors.iter().map(|factor| factor_shown(app, factor)).collect());
        let logged = names.iter().map(|name| Value::String(logged_name(&app.master, name)));
        json.insert("names_in_log".into(), logged.collect());
    }
    Ok(Said { words: serde_json::to_string_pretty(&json)?, json })
}

/// A password of more than two costs ago signs nobody in.
fn factor_shown(app: &App, factor: &Credential) -> Value {
    let mut json = json!({
        "method": factor.kind.method().as_str(),
        "kind": factor.kind.as_str(),
        "enrolled_at": factor.enrolled_at.rfc3339(),
    });
    if let (Kind::Password, Some(json)) = (factor.kind, json.as_object_mut()) {
        let cost = Cost::of(&factor.secret);
        json.insert("cost".into(), Value::String(cost.as_str().to_owned()));
        json.insert("needs_reset".into(), Value::Bool(app.passwords.costs().is_given_up(&cost)));
    }
    json
}

async fn set_password(app: &App, name: &str, source: PasswordSource) -> anyhow::Result<Said> {
    let user = find(app, name).await?;
    let password = source.read()?.context("give the password with --password-stdin or --password-file")?;
    let now = app.now();
    let id = user.id.clone();
    let names = app.store.read(move |c| users::names(c, &id)).await?;
    let factor = hashed(app, &password, &names, now).await?;
    let (id, entry) = (user.id.clone(), super::entry(app, What::UserPasswordSet).user(&user.id));
    let letter = super::letter(app, &user, told::What::Added(Kind::Password));
    let ending = super::ending(app, &user);
    app.store
        .write(move |c| {
            users::hold(c, &id)?;
            interactions::finish_all(c, &id, now)?;
            sessions::end_all(c, &id, now)?;
            // Another password is another factor: what was shown with the old one, or rests in a page, is nothing any more.
            for old in credentials::of_user(c, &id)?.iter().filter(|f| f.kind == Kind::Password) {
                credentials::remove(c, &id, &old.id)?;
                events::void(c, &old.id, now)?;
            }
            credentials::insert(c, &id, &factor)?;
            grants::revoke_of_user(c, &id, "password replaced", now)?;
            ending.of_user(c, &id, ANOTHER_PASSWORD)?;
            letter.iter().try_for_each(|letter| letter.post(c))?;
            audit::append(c, &entry)
        })
        .await?;
    let json = json!({"sub": user.id, "username": user.username});
    Ok(Said {
        json,
        words: format!(
            "The password of {} is replaced; their sessions and grants have ended.",
            user.username
        ),
    })
}

pub async fn find(app: &App, name: &str) -> anyhow::Result<User> {
    let name = login_name(name)?;
    let shown = name.as_str().to_owned();
    let user = app.store.read(move |c| users::by_login_name(c, &name)).await?;
    user.with_context(|| format!("no user is named {shown:?}; see `stepgate user list`"))
}

fn described(user: &User) -> Value {
    let claims = serde_json::from_str::<Value>(&user.claims).unwrap_or_default();
    json!({
        "sub": user.id,
        "username": user.username,
        "claims": claims,
        "second_factor": second_factor_text(user.second_factor),
        "disabled": user.disabled,
    })
}

impl PasswordSource {
    fn read(&self) -> anyhow::Result<Option<String>> {
        match (self.password_stdin, &self.password_file) {
            (true, _) => input::secret(Path::new("-")).map(Some),
            (false, Some(path)) => input::secret(path).map(Some),
            (false, None) => Ok(None),
        }
    }
}

fn login_name(text: &str) -> anyhow::Result<LoginName> {
    LoginName::parse(text).with_context(|| {
        format!("{text:?} is not a user name: 1 to 254 printable ASCII characters, no spaces")
    })
}

pub fn email(text: &str) -> anyhow::Result<LoginName> {
    let (local, host) = text.split_once('@').unwrap_or_default();
    if local.is_empty() || host.is_empty() || host.contains('@') {
        bail!("{text:?} is not an e-mail address");
    }
    login_name(text)
}

fn claims(add: &Add) -> anyhow::Result<Map<String, Value>> {
    let mut claims = match &add.claims {
        None => Map::new(),
        Some(path) => standard_claims::parse(input::json(path)?).map_err(anyhow::Error::msg)?,
    };
    if let Some(email) = &add.email {
        claims.insert("email".into(), json!(email));
        claims.insert("email_verified".into(), json!(true));
    }
    if !claims.contains_key("preferred_username") {
        claims.insert("preferred_username".into(), json!(add.name.to_ascii_lowercase()));
    }
    Ok(claims)
}

async fn hashed(app: &App, password: &str, names: &[String], now: Time) -> anyhow::Result<Credential> {
    let english = texts::of(Language::English);
    let password = NewPassword::parse(password, &app.config.guessable(names))
        .map_err(|why| anyhow::Error::msg((english.bad_password)(why)))?;
    let secret = app.passwords.hash(password, app.entropy.as_ref()).await;
    let secret = secret.map_err(|Busy| anyhow::anyhow!("argon2 can't run; is there enough memory?"))?;
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    Ok(Credential::new(id, Kind::Password, secret, now))
}

fn sealed(app: &App, secret: &TotpSecret, now: Time) -> anyhow::Result<Credential> {
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    let sealed = app.master.seal(id.as_str(), secret.as_bytes(), app.entropy.as_ref());
    let secret = sealed.context("the TOTP secret can't be sealed")?;
    Ok(Credential::new(id, Kind::Totp, secret, now))
}

fn otpauth_uri(app: &App, secret: &TotpSecret, name: &str) -> anyhow::Result<String> {
    let label = format!("{} ({})", app.config.page.name, app.config.issuer.host());
    secret.otpauth_uri(&label, name).context("the otpauth URI can't be written")
}
