//! `stepgate client`: applications and resource servers, as RFC 7591 metadata. A secret that was made here is printed
//! once; what is stored is its hash.

use super::Said;
use super::input;
use super::names::is_of_this_server;
use crate::app::App;
use crate::base::id::ClientId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::jose::assertion::check_keys;
use crate::protocol::metadata::ClientMetadata;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::clients;
use crate::store::clients::ClientRow;
use crate::store::clients::NewClient;
use crate::store::clients::Registered;
use crate::store::grants;
use anyhow::Context;
use anyhow::bail;
use clap::Subcommand;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Register a client from JSON metadata; may carry client_id and client_secret.
    Add {
        /// A file, or - for standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// List all clients.
    List,
    /// Show what a client is registered with.
    Show { id: String },
    /// Delete a client; what was granted to it ends.
    Delete { id: String },
    /// Replace a client's secret; prints the new one, once.
    RotateSecret { id: String },
    /// Merge JSON metadata into a client's; null removes a member.
    Update {
        id: String,
        #[arg(default_value = "-")]
        file: PathBuf,
    },
}

const ID_MEANS_ANOTHER: &str =
    "client_id: it is the sub of a user or the resource of another client; choose another one";
const RESOURCE_MEANS_ANOTHER: &str = "resource: it is the client_id of a client; choose another one";

/// A registration that was found sound.
struct Sound {
    metadata: ClientMetadata,
    json: String,
    secret: Option<Secret>,
}

impl Command {
    pub fn what(&self) -> Option<What> {
        match self {
            Self::Add { .. } => Some(What::ClientRegistered),
            Self::Update { .. } => Some(What::ClientUpdated),
            Self::Delete { .. } => Some(What::ClientDeleted),
            Self::RotateSecret { .. } => Some(What::ClientSecretRotated),
            Self::List | Self::Show { .. } => None,
        }
    }

    /// Whom it is about; a client that is being registered is nobody yet.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Show { id } | Self::Delete { id } | Self::RotateSecret { id } | Self::Update { id, .. } => {
                Some(id)
            }
            Self::Add { .. } | Self::List => None,
        }
    }
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<Said> {
    match command {
        Command::Add { file } => add(app, object(&file)?).await,
        Command::List => list(app).await,
        Command::Show { id } => {
            let row = find(app, &id).await?;
            Ok(said(described(&row)))
        }
        Command::Delete { id } => delete(app, id).await,
        Command::RotateSecret { id } => rotate_secret(app, id).await,
        Command::Update { id, file } => update(app, &id, object(&file)?).await,
    }
}

async fn add(app: &App, mut members: Map<String, Value>) -> anyhow::Result<Said> {
    let id = match take_text(&mut members, "client_id")? {
        Some(id) => client_id(id)?,
        None => ClientId::generate(app.entropy.as_ref(), app.now()),
    };
    if is_of_this_server(&app.config.issuer, id.as_str()) {
        bail!("client_id: it is an address of this server; choose another one");
    }
    let given = take_text(&mut members, "client_secret")?;
    let sound = sound(app, members, given, None)?;
    let (hash, now) = (sound.secret.as_ref().map(Secret::hash), app.now());
    let (row_id, json, resource) = (id.clone(), sound.json.clone(), sound.metadata.resource.clone());
    let (origins, entry) = (sound.metadata.origins(), super::entry(app, What::ClientRegistered).client(&id));
    let registered = app.store.write(move |c| {
        let new = NewClient {
            id: &row_id,
            metadata: &json,
            secret_hash: hash.as_ref(),
            resource: resource.as_deref(),
            origins: &origins,
        };
        let registered = clients::insert(c, &new, now)?;
        if registered == Registered::Done {
            audit::append(c, &entry)?;
        }
        Ok(registered)
    });
    match registered.await? {
        Registered::Done => Ok(said(registration(&id, &sound))),
        Registered::Taken | Registered::Changed => bail!(
            "client_id or resource belongs to another client; choose another one, or `stepgate client update {id}`"
        ),
        Registered::IdMeansAnother => bail!(ID_MEANS_ANOTHER),
        Registered::ResourceMeansAnother => bail!(RESOURCE_MEANS_ANOTHER),
    }
}

async fn update(app: &App, id: &str, mut members: Map<String, Value>) -> anyhow::Result<Said> {
    let row = find(app, id).await?;
    if take_text(&mut members, "client_id")?.is_some_and(|given| given != id) {
        bail!("client_id can't be changed; register another client");
    }
    let given = take_text(&mut members, "client_secret")?;
    let mut merged = serde_json::from_str::<Map<String, Value>>(&row.metadata)?;
    for (name, value) in members {
        match value {
            Value::Null => merged.remove(&name),
            value => merged.insert(name, value),
        };
    }
    let sound = sound(app, merged, given, row.secret_hash.as_ref())?;
    let hash = match (&sound.secret, sound.metadata.has_secret()) {
        (_, false) => None,
        (Some(secret), true) => Some(secret.hash()),
        (None, true) => row.secret_hash.clone(),
    };
    let (row_id, json, resource) = (row.id.clone(), sound.json.clone(), sound.metadata.resource.clone());
    let (origins, entry) = (sound.metadata.origins(), super::entry(app, What::ClientUpdated).client(&row.id));
    let registered = app.store.write(move |c| {
        let new = NewClient {
            id: &row_id,
            metadata: &json,
            secret_hash: hash.as_ref(),
            resource: resource.as_deref(),
            origins: &origins,
        };
        let registered = clients::update(c, &new, row.version)?;
        if registered == Registered::Done {
            audit::append(c, &entry)?;
        }
        Ok(registered)
    });
    match registered.await? {
        Registered::Done => Ok(said(registration(&row.id, &sound))),
        Registered::Taken => bail!("resource belongs to another client; choose another one"),
        Registered::IdMeansAnother => bail!(ID_MEANS_ANOTHER),
        Registered::ResourceMeansAnother => bail!(RESOURCE_MEANS_ANOTHER),
        Registered::Changed => bail!("{id} was changed by somebody else meanwhile; look at it and try again"),
    }
}

async fn delete(app: &App, id: String) -> anyhow::Result<Said> {
    let wanted = ClientId::from_text(&id);
    let entry = super::entry(app, What::ClientDeleted).client(&wanted);
    let now = app.now();
    let deleted = app.store.write(move |c| {
        let deleted = clients::delete(c, &wanted)?;
        if deleted {
            // Another client of that name would be somebody else.
            grants::revoke_of_client(c, &wanted, now)?;
            audit::append(c, &entry)?;
        }
        Ok(deleted)
    });
    match deleted.await? {
        true => Ok(Said { json: json!({"client_id": id}), words: format!("{id} is deleted.") }),
        false => bail!("no client has the client_id {id:?}; see `stepgate client list`"),
    }
}

async fn rotate_secret(app: &App, id: String) -> anyhow::Result<Said> {
    let (wanted, secret) = (ClientId::from_text(&id), Secret::generate(app.entropy.as_ref()));
    let hash = secret.hash();
    let entry = super::entry(app, What::ClientSecretRotated).client(&wanted);
    let replaced = app.store.write(move |c| {
        let replaced = clients::replace_secret(c, &wanted, &hash)?;
        if replaced {
            audit::append(c, &entry)?;
        }
        Ok(replaced)
    });
    match replaced.await? {
        true => Ok(said(
            json!({"client_id": id, "client_secret": secret.reveal(), "client_secret_expires_at": 0}),
        )),
        false => bail!("no client with a secret has the client_id {id:?}; see `stepgate client list`"),
    }
}

async fn list(app: &App) -> anyhow::Result<Said> {
    let rows = app.store.read(clients::list).await?;
    let json = rows.iter().map(described).collect::<Vec<_>>();
    let line = |client: &Value| {
        let text = |name| client.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("{}  {}\n", text("client_id"), text("client_name"))
    };
    Ok(Said { words: json.iter().map(line).collect(), json: Value::Array(json) })
}

async fn find(app: &App, id: &str) -> anyhow::Result<ClientRow> {
    let wanted = ClientId::from_text(id);
    let row = app.store.read(move |c| clients::by_id(c, &wanted)).await?;
    row.with_context(|| format!("no client has the client_id {id:?}; see `stepgate client list`"))
}

fn sound(
    app: &App,
    members: Map<String, Value>,
    given: Option<String>,
    known: Option<&SecretHash>,
) -> anyhow::Result<Sound> {
    let policy = &app.config.policy;
    let metadata = ClientMetadata::parse(Value::Object(members), |name| policy.class(name).is_some())
        .map_err(|why| anyhow::Error::msg(why).context("the metadata can't be used"))?;
    if metadata.resource.as_ref().is_some_and(|resource| is_of_this_server(&app.config.issuer, resource)) {
        bail!("resource: it is an address of this server; choose another one");
    }
    if let Some(jwks) = &metadata.jwks {
        check_keys(jwks).map_err(anyhow::Error::msg)?;
    }
    let secret = match (metadata.has_secret(), given) {
        (false, Some(_)) => {
            bail!("client_secret: a client with this token_endpoint_auth_method has no secret")
        }
        (false, None) => None,
        (true, Some(given)) => Some(secret(&given)?),
        (true, None) if known.is_some() => None,
        (true, None) => Some(Secret::generate(app.entropy.as_ref())),
    };
    let json = serde_json::to_string(&metadata)?;
    Ok(Sound { metadata, json, secret })
}

/// What is stored is a plain hash, so a secret should be long enough to stand against guessing.
fn secret(given: &str) -> anyhow::Result<Secret> {
    if given.len() < 8 {
        bail!("client_secret: shorter than 8 characters; leave it out, and a good one is made");
    }
    if given.len() < 32 {
        eprintln!(
            "Warning: client_secret is shorter than 32 characters; leave it out, and a good one is made."
        );
    }
    Ok(Secret::presented(given))
}

fn client_id(text: String) -> anyhow::Result<ClientId> {
    // RFC 6749 appendix A.1; a client_id goes into URLs and logs.
    let sound = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !sound {
        bail!("client_id: 1 to 200 printable ASCII characters without spaces");
    }
    Ok(ClientId::from_text(text))
}

fn object(file: &std::path::Path) -> anyhow::Result<Map<String, Value>> {
    match input::json(file)? {
        Value::Object(members) => Ok(members),
        _ => bail!("client metadata is a JSON object (RFC 7591 §2)"),
    }
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> anyhow::Result<Option<String>> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => bail!("{name}: not a string"),
    }
}

fn registration(id: &ClientId, sound: &Sound) -> Value {
    let mut answer = Map::from_iter([("client_id".to_owned(), json!(id))]);
    if let Some(secret) = &sound.secret {
        answer.insert("client_secret".into(), json!(secret.reveal()));
        answer.insert("client_secret_expires_at".into(), json!(0));
    }
    answer.extend(members(&sound.json));
    Value::Object(answer)
}

fn described(row: &ClientRow) -> Value {
    let mut answer = Map::from_iter([("client_id".to_owned(), json!(row.id))]);
    answer.insert("disabled".into(), json!(row.disabled));
    answer.extend(members(&row.metadata));
    Value::Object(answer)
}

fn members(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}

fn said(json: Value) -> Said {
    Said { words: serde_json::to_string_pretty(&json).unwrap_or_default(), json }
}
