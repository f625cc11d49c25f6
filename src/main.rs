//! The program: reads its arguments and hands over to a command.

use clap::Parser;
use std::process::ExitCode;
use stepgate::cli;

/// It gives memory back that a burst of password hashes has used, and costs less than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
