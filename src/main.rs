//! The program: reads its arguments and hands over to a command.

use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;
use stepgate::cli;
use tokio::runtime::Runtime;

/// It costs less than the system's, and does not touch the buffers of a connection before they are used.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What still runs when everything is done is a thread that waits for a database which may never answer.
const LAST_GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let ended = Runtime::new().map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(cli::run(cli::Arguments::parse()));
        runtime.shutdown_timeout(LAST_GRACE);
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("stepgate: {why:#}");
            ExitCode::FAILURE
        }
    }
}
