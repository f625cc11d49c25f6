//! Everything that a request may need, made once at start and passed first. There are no globals.

use crate::base::entropy::Entropy;
use crate::base::id::AuditId;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::client::Registered;
use crate::config::Config;
use crate::credential::passkey::Passkeys;
use crate::credential::password::Passwords;
use crate::credential::seal::MasterKey;
use crate::jose::folder;
use crate::jose::folder::Keys;
use crate::jose::folder::Known;
use crate::jose::keyring::Keyring;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::keys;
use crate::store::migrate::migrate;
use crate::store::password_costs;
use crate::store::sessions::SessionLife;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;
use tokio::sync::Notify;

pub struct App {
    pub config: Config,
    pub store: Store,
    pub master: MasterKey,
    pub keys: Keyring,
    pub clients: Registered,
    pub passwords: Passwords,
    /// `None` where the issuer's host is an address.
    pub passkeys: Option<Passkeys>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub metrics: Metrics,
    /// `None` where no mail is set up: then none is written either.
    pub mail: Option<Arc<Mailer>>,
    /// Poked after a mail was written, so that it need not wait for the next look.
    pub mail_waiting: Notify,
    /// A trusted proxy named nobody, and the log has it.
    pub unreadable_hop: AtomicBool,
}

impl App {
    /// Brings database and keys into being or up to date, under one lock, and opens them.
    pub fn open(config: Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let now = clock.now();
        let first = |c: &mut Conn| {
            let keys = prepare_keys(c, &config, now, entropy.as_ref())?;
            Ok::<_, anyhow::Error>((keys, password_costs::stored(c).map_err(StoreError::from)?))
        };
        let (_, (keys, costs)) = migrate(&config.database, first)
            .with_context(|| format!("The database {} can't be prepared", config.database))?;
        let store = Store::open(&config.database)?;
        let permits = available_parallelism().map_or(1, usize::from);
        let passwords =
            Passwords::new(config.argon2, permits, entropy.as_ref()).map_err(anyhow::Error::msg)?;
        let passwords = passwords.crowding(store.crowd.clone());
        passwords.learn(costs);
        let keyring = Keyring::new(keys.signing, config.lifetimes.longest_token());
        let passkeys = config.issuer.address().and_then(|url| Passkeys::of(&url, &config.page.name));
        let mail = config.mail.clone().map(|settings| Arc::new(Mailer::new(settings)));
        Ok(Self {
            passkeys,
            config,
            store,
            master: keys.master,
            keys: keyring,
            clients: Registered::default(),
            passwords,
            clock,
            entropy,
            metrics: Metrics::default(),
            mail,
            mail_waiting: Notify::new(),
            unreadable_hop: AtomicBool::new(false),
        })
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A line of the audit, of now.
    pub fn entry(&self, actor: Actor, what: What) -> Entry {
        let now = self.now();
        Entry::new(AuditId::generate(self.entropy.as_ref(), now), now, actor, what)
    }

    pub fn session_life(&self) -> SessionLife {
        SessionLife { idle: self.config.lifetimes.session_idle, whole: self.config.lifetimes.session }
    }
}

/// A database that was never used with keys gets its own; any other must find exactly the ones it knows.
fn prepare_keys(c: &mut Conn, config: &Config, now: Time, entropy: &dyn Entropy) -> anyhow::Result<Keys> {
    let recorded = keys::recorded(c).map_err(StoreError::from)?;
    if let Some(master) = &recorded.master {
        folder::open(&config.keys, &Known { master, signing: &recorded.signing }, now)?;
    }
    let made = match &recorded.master {
        None => folder::create(&config.keys, now, entropy)?,
        Some(_) => {
            folder::complete(&config.keys, now, entropy)?;
            folder::load(&config.keys)?
        }
    };
    for key in made.signing.iter().filter(|key| !recorded.signing.contains(&key.kid)) {
        keys::record(c, &key.kid, "signing", now).map_err(StoreError::from)?;
    }
    if recorded.master.is_some() {
        return Ok(made);
    }
    // Last: until it is recorded, the next program begins anew and finds the files that are there.
    keys::record(c, &made.master.fingerprint(), "master", now).map_err(StoreError::from)?;
    Ok(made)
}
