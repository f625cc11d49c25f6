//! What the server logged, by request: each answer names its request in `x-request-id`.

use std::io;
use std::io::Write;
use std::sync::Mutex;
use std::sync::Once;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static START: Once = Once::new();

struct Recorder;

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn record() {
    START.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter("info,stepgate=trace")
            .with_ansi(false)
            .with_writer(|| Recorder)
            .init();
    });
}

/// The lines of one request, without the one that says that it was answered.
pub fn of_request(id: &str) -> Vec<String> {
    let recorded = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    let own = recorded.lines().filter(|line| line.contains(&format!("id=\"{id}\"")));
    own.filter(|line| !line.contains(": answered ")).map(str::to_owned).collect()
}

/// Everything, to look for what must not be there.
pub fn everything() -> String {
    String::from_utf8(LINES.lock().unwrap().clone()).unwrap()
}
