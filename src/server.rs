//! Start and stop: one `serve` per SQLite file, https if asked for, the sweep, the outbox, and a stop that lets requests and
//! mails finish.

use crate::account::recovery;
use crate::app::App;
use crate::config::Tls;
use crate::outbox;
use crate::password_costs;
use crate::rotation;
use crate::store;
use crate::store::connection::DatabaseUrl;
use crate::web::edge::edge;
use crate::web::respond;
use crate::web::routes::routes;
use actix_web::App as Service;
use actix_web::HttpServer;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::web::Data;
use anyhow::Context;
use anyhow::bail;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::fs::TryLockError;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;
use tokio::time::timeout;

const SLOW_REQUEST: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const GRACE_SECONDS: u64 = 10;
/// What a mail under way gets beyond, so that both together stay within the fifteen of a service manager.
const MAIL_GRACE: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_PER_ROTATION: u64 = 120;
/// setrlimit(2): a file that may not grow shall be an error like a full disk, and not the end of the process.
const SIGXFSZ: i32 = 25;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A server that is bound and not running yet.
pub struct Bound {
    pub app: Data<App>,
    listener: TcpListener,
    _only_one: Option<File>,
}

/// Takes the address; port 0 takes any.
pub fn bind(app: App) -> anyhow::Result<Bound> {
    let only_one = only_one(&app.config.database)?;
    let listen = app.config.listen;
    let listener =
        TcpListener::bind(listen).with_context(|| format!("listen = \"{listen}\" can't be used"))?;
    Ok(Bound { app: Data::new(app), listener, _only_one: only_one })
}

impl Bound {
    pub fn port(&self) -> anyhow::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until SIGTERM or SIGINT; requests under way get ten seconds to finish.
    pub async fn run(self) -> anyhow::Result<()> {
        let (app, _lock) = (self.app.clone(), self._only_one);
        let server = serve(self.app, self.listener)?;
        let _taken = signal(SignalKind::from_raw(SIGXFSZ))?;
        if let Err(why) = password_costs::tell(&app).await {
            tracing::warn!(%why, "passwords.not_counted");
        }
        let sweeping = tokio::spawn(sweep(app.clone()));
        let watching = tokio::spawn(watch_keys(app.clone().into_inner()));
        let (stop, stopped) = watch::channel(false);
        let mut sending = tokio::spawn(outbox::run(app.into_inner(), stopped));
        let ended = server.await;
        stop.send_replace(true);
        if timeout(MAIL_GRACE, &mut sending).await.is_err() {
            sending.abort();
        }
        sweeping.abort();
        watching.abort();
        tracing::info!("stopped");
        Ok(ended?)
    }
}

/// The listener goes to actix whole: a copy of it would go on taking connections, while it stops, that nobody serves.
fn serve(app: Data<App>, listener: TcpListener) -> anyhow::Result<Server> {
    let shared = app.clone();
    let server = HttpServer::new(move || {
        Service::new()
            .app_data(shared.clone())
            .configure(routes)
            .default_service(web::to(respond::not_found))
            .wrap(from_fn(edge))
    })
    .client_request_timeout(SLOW_REQUEST)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(GRACE_SECONDS);
    Ok(match &app.config.tls {
        None => server.listen(listener)?.run(),
        Some(tls) => server.listen_rustls_0_23(listener, https(tls)?)?.run(),
    })
}

/// Two servers on one SQLite file would each believe to be the only writer.
fn only_one(database: &DatabaseUrl) -> anyhow::Result<Option<File>> {
    let DatabaseUrl::Sqlite(path) = database else { return Ok(None) };
    let lock = File::create(path.with_added_extension("serve.lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another `stepgate serve` uses {database}; stop it, or use PostgreSQL for several instances"
            )
        }
        Err(TryLockError::Error(why)) => Err(why.into()),
    }
}

fn https(tls: &Tls) -> anyhow::Result<ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("tls_cert = {:?} is not a PEM file of certificates", tls.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .with_context(|| format!("tls_key = {:?} is not a PEM file of a private key", tls.key))?;
    let provider = rustls::crypto::ring::default_provider().into();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("tls_cert and tls_key do not belong together")
}

async fn sweep(app: Data<App>) {
    loop {
        if let Err(why) = recovery::complete_due(&app).await {
            tracing::warn!(%why, "recovery.not_completed");
        }
        let (now, audit) = (app.now(), app.config.lifetimes.audit);
        loop {
            match app.store.write(move |c| store::sweep::batch(c, now, audit)).await {
                Ok(0) => break,
                Ok(rows) => app.metrics.swept(rows),
                Err(why) => {
                    app.metrics.sweep_failed();
                    tracing::warn!(%why, "sweep failed");
                    break;
                }
            }
        }
        if let Err(why) = password_costs::look(&app).await {
            tracing::warn!(%why, "passwords.costs_unknown");
        }
        app.passwords.rest();
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Takes up what changes in the folder of keys within a second, and makes successors in time.
async fn watch_keys(app: Arc<App>) {
    let mut seen = String::new();
    let mut looks = 0_u64;
    loop {
        if let Err(why) = rotation::reload(&app, &mut seen) {
            tracing::error!(%why, "keys.unreadable");
        }
        if looks.is_multiple_of(LOOKS_PER_ROTATION)
            && let Err(why) = rotation::rotate_due(&app).await
        {
            tracing::error!(%why, "keys.not_rotated");
        }
        looks += 1;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
