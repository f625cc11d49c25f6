//! A stranger has no authenticator app: prints the code that the demo user's would show, or with `--qr` what an app
//! would scan. Only for a demonstration on this machine: the issuer must be on a loopback host.

use anyhow::Context;
use anyhow::bail;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::process::ExitCode;
use stepgate::base::time::Clock;
use stepgate::base::time::SystemClock;
use stepgate::credential::totp::TotpSecret;
use stepgate::protocol::redirect_uri::is_loopback;
use totp_rs::Totp;
use url::Url;

fn main() -> ExitCode {
    match print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why:#}");
            ExitCode::FAILURE
        }
    }
}

fn print() -> anyhow::Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let issuer = setting("DEMO_ISSUER", "http://localhost:8080");
    if !Url::parse(&issuer).is_ok_and(|url| is_loopback(&url)) {
        bail!("{issuer} is not on this machine: a second factor that anybody can print is none");
    }
    let file = setting("DEMO_OTPAUTH_FILE", "var/demo/otpauth");
    let uri = std::fs::read_to_string(&file)
        .with_context(|| format!("{file} can't be read; run `make run` first"))?;
    let uri = uri.trim();
    if std::env::args().any(|argument| argument == "--qr") {
        let code = QrCode::new(uri)?.render::<Dense1x2>().quiet_zone(true).build();
        // Black on white, whatever the terminal's colours are: few cameras read the inverse.
        for line in code.lines() {
            println!("\x1b[30;107m{line}\x1b[0m");
        }
        println!("{uri}");
        return Ok(());
    }
    let secret = Totp::from_url(uri).context("the file holds no otpauth URI")?.secret().to_vec();
    let code = TotpSecret::from_bytes(secret).code_at(SystemClock.now());
    println!("{}", code.context("no code can be computed")?);
    Ok(())
}
