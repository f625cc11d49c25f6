//! Connections that somebody holds open and never does anything with: they say nothing, half a head, or a byte a second. Whom the
//! server closes comes again.

use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::interval;

pub struct Held {
    port: u16,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    stream: TcpStream,
    manner: Manner,
}

#[derive(Clone, Copy)]
enum Manner {
    Silent,
    HalfAHead,
    SlowHead,
    SlowBody,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_PER_SECOND: usize = 10;
/// They end ten seconds after they began. Begun all at once, they would all be closed at once.
const SECONDS_TO_BEGIN: usize = 8;

impl Held {
    pub async fn open(port: u16, count: usize) -> Self {
        let mut connections = Vec::new();
        let mut looks = interval(LOOK_EVERY);
        for n in 0..count {
            if n % count.div_ceil(SECONDS_TO_BEGIN * LOOKS_PER_SECOND) == 0 {
                looks.tick().await;
            }
            connections.push(Connection::open(port, Manner::of(n)).await);
        }
        Self { port, connections: Mutex::new(connections) }
    }

    /// As long as it is awaited.
    pub async fn keep(&self) {
        let mut looks = interval(LOOK_EVERY);
        for look in 0.. {
            looks.tick().await;
            for (n, manner) in self.closed() {
                let anew = Connection::open(self.port, manner).await;
                self.connections.lock().unwrap()[n] = anew;
            }
            if look % LOOKS_PER_SECOND == 0 {
                self.connections.lock().unwrap().iter().for_each(Connection::go_on);
            }
        }
    }

    pub fn count_open(&self) -> usize {
        self.connections.lock().unwrap().iter().filter(|connection| connection.is_open()).count()
    }

    fn closed(&self) -> Vec<(usize, Manner)> {
        let connections = self.connections.lock().unwrap();
        let closed = connections.iter().enumerate().filter(|(_, connection)| !connection.is_open());
        closed.map(|(n, connection)| (n, connection.manner)).collect()
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
}

impl Connection {
    async fn open(port: u16, manner: Manner) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(manner.begins()).await.unwrap();
        Self { stream, manner }
    }

    /// What the server says to them is that it takes too long; then it closes.
    fn is_open(&self) -> bool {
        let read = self.stream.try_read(&mut [0; 64]);
        read.is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock)
    }

    fn go_on(&self) {
        if matches!(self.manner, Manner::SlowHead | Manner::SlowBody) {
            let _ = self.stream.try_write(b"x");
        }
    }
}
