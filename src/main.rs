//! The program: reads its arguments and hands over to a command.

use clap::Parser;
use std::process::ExitCode;
use stepgate::cli;

/// It costs less than the system's, and does not touch the buffers of a connection before they are used.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("stepgate: {why:#}");
            ExitCode::FAILURE
        }
    }
}
