//! `stepgate audit`: who did what, the oldest first; with `--follow` until it is stopped.

use super::Said;
use super::user::find;
use crate::app::App;
use crate::base::id::ClientId;
use crate::base::time::Seconds;
use crate::store::audit;
use crate::store::audit::Wanted;
use anyhow::Context;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

#[derive(Args)]
pub struct Arguments {
    /// What concerns this user.
    #[arg(long)]
    user: Option<String>,
    /// What concerns this client.
    #[arg(long)]
    client: Option<String>,
    /// How far back, as 90s, 12h or 30d.
    #[arg(long, default_value = "30d")]
    since: String,
    /// The newest so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Go on with what comes; with --json one object a line.
    #[arg(long)]
    follow: bool,
}

/// Entries become visible when their transaction ends, so newer ones may be seen first: look back this far.
const LATE: Seconds = Seconds(30);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const MOST: i64 = 10_000;

pub async fn run(app: &App, arguments: Arguments, in_json: bool) -> anyhow::Result<Said> {
    let since = Seconds::parse(&arguments.since)
        .with_context(|| format!("--since {:?} is not a duration; write 12h", arguments.since))?;
    let user = match &arguments.user {
        None => None,
        Some(name) => Some(find(app, name).await?.id),
    };
    let client = arguments.client.map(ClientId::from_text);
    let mut wanted = Wanted { user, client, since: app.now().minus(since), most: arguments.limit.into() };
    let entries = list(app, &wanted).await?;
    if !arguments.follow {
        let words = entries.iter().map(|(_, entry)| line(entry) + "\n").collect();
        return Ok(Said { json: entries.into_iter().map(|(_, entry)| entry).collect(), words });
    }
    let mut seen = BTreeSet::new();
    let mut next = entries;
    loop {
        for (id, entry) in next {
            if seen.insert(id) {
                say(&entry, in_json)?;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
        (wanted.since, wanted.most) = (app.now().minus(LATE), MOST);
        next = list(app, &wanted).await?;
        // What is no longer looked at need not be remembered.
        let still = next.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        seen.retain(|id| still.contains(id));
    }
}

async fn list(app: &App, wanted: &Wanted) -> anyhow::Result<Vec<(String, Value)>> {
    let wanted = wanted.clone();
    Ok(app.store.read(move |c| audit::list(c, &wanted)).await?)
}

fn say(entry: &Value, in_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match in_json {
        true => writeln!(out, "{entry}")?,
        false => writeln!(out, "{}", line(entry))?,
    }
    out.flush()
}

fn line(entry: &Value) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let first = ["at", "actor", "what", "outcome"].map(|name| text(name).unwrap_or_default()).join("  ");
    let rest = ["sub", "client_id", "sid", "source", "acr", "session_aal", "account_aal", "reason"];
    let rest = rest.iter().filter_map(|name| Some(format!("  {name}={:?}", text(name)?)));
    rest.fold(first, |line, more| line + &more)
}
