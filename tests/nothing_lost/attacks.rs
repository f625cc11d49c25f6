//! Requests that are too much of something: made once, sent again and again, and what must come back.

use futures_util::future::join;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;

pub struct Attack {
    name: &'static str,
    head: String,
    body: String,
    /// The body is sent again until the server closes.
    endless: bool,
    answer: Answer,
    met: AtomicUsize,
}

/// The first line, and something that the answer says.
type Answer = (&'static str, &'static str);

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request";
const TOO_LARGE: Answer = ("HTTP/1.1 413 Payload Too Large", "");
const PIECE: usize = 0x10000;
/// Fifty megabits a second: more than one household sends.
const PIECES_EVERY: Duration = Duration::from_millis(10);

/// Each limit has its own: of a body, of the parameters in a form, of a form that would become an address, of those in an address.
pub fn all() -> Vec<Attack> {
    let a = |count: usize| "a&".repeat(count);
    let too_many = (BAD_REQUEST, "more than 100 parameters");
    let large = "x".repeat(PIECE);
    let chunk = format!("{PIECE:x}\r\n{large}\r\n");
    vec![
        Attack::post("endless", "/token", "content-length: 1000000000000", large).without_end(),
        Attack::post("endless chunks", "/token", "transfer-encoding: chunked", chunk).without_end(),
        Attack::form("70 kB", "/token", "x".repeat(70_000), TOO_LARGE),
        Attack::form("10,000 parameters, token", "/token", a(10_000), too_many),
        Attack::form(
            "10,000 parameters, authorize",
            "/authorize",
            a(10_000),
            (BAD_REQUEST, "longer than 12 KiB"),
        ),
        Attack::get("6,000 in an address", &format!("/authorize?{}", a(6_000)), too_many),
    ]
}

impl Attack {
    fn get(name: &'static str, path: &str, answer: Answer) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nhost: op.test\r\nconnection: close\r\n\r\n");
        Self { name, head, body: String::new(), endless: false, answer, met: AtomicUsize::new(0) }
    }

    fn form(name: &'static str, path: &str, form: String, answer: Answer) -> Self {
        Self { answer, ..Self::post(name, path, &format!("content-length: {}", form.len()), form) }
    }

    fn post(name: &'static str, path: &str, framing: &str, body: String) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: op.test\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\n{framing}\r\n\r\n"
        );
        Self { name, head, body, endless: false, answer: TOO_LARGE, met: AtomicUsize::new(0) }
    }

    fn without_end(self) -> Self {
        Self { endless: true, ..self }
    }

    /// So many times a second at most, as long as it is awaited.
    pub async fn again_and_again(&self, port: u16, per_second: u32) {
        let mut pace = interval(Duration::from_secs(1) / per_second);
        loop {
            pace.tick().await;
            let answer = timeout(Duration::from_secs(20), self.once(port)).await.expect(self.name);
            let (first_line, says) = self.answer;
            assert!(answer.starts_with(first_line) && answer.contains(says), "{}: {answer}", self.name);
            self.met.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// And how often it has come to its answer.
    pub fn said(&self) -> (&'static str, usize) {
        (self.name, self.met.load(Ordering::Relaxed))
    }

    /// Who is still sending hears the answer all the same.
    async fn once(&self, port: u16) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut reads, mut writes) = stream.split();
        let sent = async {
            let mut taken = writes.write_all(self.head.as_bytes()).await;
            taken = taken.and(writes.write_all(self.body.as_bytes()).await);
            while self.endless && taken.is_ok() {
                sleep(PIECES_EVERY).await;
                taken = writes.write_all(self.body.as_bytes()).await;
            }
        };
        let mut answer = Vec::new();
        let _ = join(sent, reads.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}
