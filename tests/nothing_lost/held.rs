//! Connections that somebody holds open and never does anything with: they say nothing, half a head, or a byte a second. Whom the
//! server closes comes again.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;

/// Until it is dropped.
pub struct Held {
    open: Arc<AtomicUsize>,
    connections: JoinSet<()>,
}

#[derive(Clone, Copy)]
enum Manner {
    Silent,
    HalfAHead,
    SlowHead,
    SlowBody,
}

/// They end ten seconds after they began. Begun all at once, they would all be closed at once.
const TO_BEGIN: Duration = Duration::from_secs(8);
const ALL_OPEN_WITHIN: Duration = Duration::from_secs(60);
const BYTE_EVERY: Duration = Duration::from_secs(1);

impl Held {
    /// All of them are.
    pub async fn open(port: u16, count: usize) -> Self {
        let open = Arc::new(AtomicUsize::new(0));
        let mut connections = JoinSet::new();
        for n in 0..count {
            let begins = TO_BEGIN * n as u32 / count as u32;
            connections.spawn(again_and_again(port, Manner::of(n), begins, open.clone()));
        }
        let mut held = Self { open, connections };
        let all_open = async {
            while held.count_open() < count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(ALL_OPEN_WITHIN, all_open).await.unwrap();
        held
    }

    /// All that was tried was let in.
    pub fn count_open(&mut self) -> usize {
        assert!(self.connections.try_join_next().is_none(), "one was not let in");
        self.open.load(Ordering::Relaxed)
    }
}

async fn again_and_again(port: u16, manner: Manner, begins: Duration, open: Arc<AtomicUsize>) {
    sleep(begins).await;
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(manner.begins()).await.unwrap();
        open.fetch_add(1, Ordering::Relaxed);
        manner.until_closed(&mut stream).await;
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Manner {
    /// Half of them are silent, a tenth is slow.
    fn of(n: usize) -> Self {
        match n % 20 {
            7 => Self::SlowHead,
            17 => Self::SlowBody,
            odd if odd % 2 == 1 => Self::HalfAHead,
            _ => Self::Silent,
        }
    }

    fn begins(self) -> &'static [u8] {
        match self {
            Self::Silent => b"",
            Self::HalfAHead => b"POST /token HTTP/1.1\r\nhost: op.test\r\n",
            Self::SlowHead => b"GET /healthz HTTP/1.1\r\nhost: op.test\r\nx-slow: ",
            Self::SlowBody => {
                b"POST /token HTTP/1.1\r\nhost: op.test\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 1000\r\n\r\n"
            }
        }
    }

    /// What the server says to them is that it takes too long; then it closes.
    async fn until_closed(self, stream: &mut TcpStream) {
        let mut answer = [0; 64];
        if let Self::Silent | Self::HalfAHead = self {
            let _ = stream.read(&mut answer).await;
            return;
        }
        while timeout(BYTE_EVERY, stream.read(&mut answer)).await.is_err() {
            let _ = stream.write_all(b"x").await;
        }
    }
}
