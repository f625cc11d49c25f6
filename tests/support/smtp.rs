//! A mail server of the tests: takes what it is given over SMTP (RFC 5321), refuses every recipient, puts them off, or says nothing
//! at all; and says something else to some of them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub struct SmtpServer {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    replies: Replies,
    listening: JoinHandle<()>,
}

/// What it says of a recipient, whatever its manner.
type Replies = Arc<Mutex<BTreeMap<String, &'static str>>>;

/// "Not now", as the answer to a recipient.
pub const LATER: &str = "451 4.3.0 later";
/// "Never".
pub const NEVER: &str = "550 5.1.1 nobody";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Takes,
    /// Repeating the recipient, as many do.
    Refuses,
    PutsOff,
    IsMute,
}

/// One mail as it came: the envelope, and the message.
#[derive(Clone, Debug)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
}

impl Received {
    /// Of eight digits.
    pub fn code(&self) -> Option<&str> {
        self.text.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|b| b.is_ascii_digit()))
    }
}

impl SmtpServer {
    pub async fn start(manner: Manner) -> Self {
        Self::on(0, manner).await
    }

    pub async fn on(port: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let replies = Replies::default();
        let (into, said) = (received.clone(), replies.clone());
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(talk(stream, manner, into.clone(), said.clone()));
            }
        });
        Self { port, received, replies, listening }
    }

    /// From now on it says this of a recipient; or nothing of its own any more.
    pub fn says(&self, recipient: &str, reply: Option<&'static str>) {
        let mut replies = self.replies.lock().unwrap();
        match reply {
            Some(reply) => replies.insert(recipient.to_owned(), reply),
            None => replies.remove(recipient),
        };
    }

    /// From now on the port is closed.
    pub async fn stop(self) -> u16 {
        self.listening.abort();
        let _ = self.listening.await;
        self.port
    }

    pub fn settings(&self) -> String {
        settings(self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many mails came, and how many of them were different ones.
    pub fn counted(&self) -> (usize, usize) {
        let received = self.received();
        (received.len(), received.iter().map(|mail| mail.header("Message-ID")).collect::<BTreeSet<_>>().len())
    }

    /// Everything that came, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        until("the mails came", async || self.received().len() >= count).await;
        self.received()
    }
}

pub fn settings(port: u16) -> String {
    format!("[mail]\nsmtp = \"smtp://127.0.0.1:{port}\"\nfrom = \"Größe & Co <login@op.test>\"\n")
}

/// Looks again and again until it is so.
pub async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(20), "not within 20 seconds: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

impl Received {
    /// A header as it was sent, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.text, name)
    }
}

pub fn header(text: &str, name: &str) -> Option<String> {
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
}

async fn talk(stream: TcpStream, manner: Manner, into: Arc<Mutex<Vec<Received>>>, replies: Replies) {
    let mut stream = BufReader::new(stream);
    if manner == Manner::IsMute {
        sleep(Duration::from_secs(600)).await;
    }
    let mut mail = Received { from: String::new(), to: Vec::new(), text: String::new() };
    let mut answer = "220 mail.test".to_owned();
    loop {
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let Some(line) = line(&mut stream).await else { return };
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        answer = match verb {
            "EHLO" => "250 mail.test".into(),
            "MAIL" => {
                mail.from = address(rest);
                "250 ok".into()
            }
            "RCPT" if manner == Manner::Refuses => format!("550 5.1.1 <{}>: unknown", address(rest)),
            "RCPT" if manner == Manner::PutsOff => format!("451 4.3.0 <{}>: later", address(rest)),
            "RCPT" => {
                let reply = replies.lock().unwrap().get(&address(rest)).copied();
                if reply.is_none() {
                    mail.to.push(address(rest));
                }
                reply.unwrap_or("250 ok").into()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                while let Some(line) = self::line(&mut stream).await.filter(|line| line != ".") {
                    mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.text.push_str("\r\n");
                }
                into.lock().unwrap().push(mail.clone());
                "250 taken".into()
            }
            _ => "221 bye".into(),
        };
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    assert!(read == 0 || line.ends_with("\r\n"), "{line:?}");
    (read > 0).then(|| line.trim_end_matches("\r\n").to_owned())
}

fn address(rest: &str) -> String {
    rest.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned()
}
