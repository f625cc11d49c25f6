//! The program: reads its arguments and hands over to a command.

use clap::Parser;
use std::process::ExitCode;
use stepgate::cli;

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
