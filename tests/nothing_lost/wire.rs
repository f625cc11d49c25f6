//! The way from the server to its PostgreSQL, which can be cut or fall silent.

use State::Gone;
use State::Passes;
use State::Silent;
use std::net::TcpListener;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::io::split;
use tokio::net::TcpListener as Listener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use url::Url;

pub struct Wire {
    /// The database, by this way.
    pub url: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Passes,
    /// Refuses, and has cut what was there.
    Gone,
    /// Takes everything and passes on nothing.
    Silent,
}

impl Wire {
    pub fn to(database: &str) -> Self {
        let mut url = Url::parse(database).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        url.set_port(Some(port)).unwrap();
        let (state, seen) = watch::channel(Passes);
        tokio::spawn(listen(port, server, seen));
        Self { url: url.into(), state }
    }

    pub fn passes(&self) {
        self.state.send_replace(Passes);
    }

    pub fn is_gone(&self) {
        self.state.send_replace(Gone);
    }

    pub fn is_silent(&self) {
        self.state.send_replace(Silent);
    }
}

async fn listen(port: u16, server: String, mut state: watch::Receiver<State>) {
    while state.wait_for(|state| *state != Gone).await.is_ok() {
        let listener = Listener::bind(("127.0.0.1", port)).await.unwrap();
        let mut seen = state.clone();
        let accepting = async {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(until_gone(client, server.clone(), state.clone()));
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = seen.wait_for(|state| *state == Gone) => {}
        }
    }
}

async fn until_gone(client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    let mut seen = state.clone();
    let connection = async {
        passing(&mut state).await?;
        let (from, to) = (split(client), split(TcpStream::connect(server).await.ok()?));
        tokio::select! {
            ended = carry(from.0, to.1, state.clone()) => ended,
            ended = carry(to.0, from.1, state.clone()) => ended,
        }
    };
    tokio::select! {
        _ = connection => {}
        _ = seen.wait_for(|state| *state == Gone) => {}
    }
}

/// `None` when there is nothing more to carry.
async fn carry(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    mut state: watch::Receiver<State>,
) -> Option<()> {
    let mut bytes = [0; 8192];
    loop {
        let length = from.read(&mut bytes).await.ok().filter(|length| *length > 0)?;
        passing(&mut state).await?;
        to.write_all(&bytes[..length]).await.ok()?;
    }
}

async fn passing(state: &mut watch::Receiver<State>) -> Option<()> {
    state.wait_for(|state| *state == Passes).await.ok().map(|_| ())
}
