//! Mail that goes out: the one home of lettre. Sends one mail, by SMTP or as a file, and says whether that worked; when it is
//! tried, how often and by whom is the outbox's affair. Nothing is received and nothing is composed here.

mod message;
pub mod settings;

use crate::store::mails::Mail;
use lettre::AsyncTransport;
use lettre::Message;
use lettre::transport::smtp;
use lettre::transport::smtp::response::Category;
use settings::MailSettings;
use settings::Way;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// From the first byte to the last: a server that accepts everything and answers nothing holds nobody up for longer.
pub const LONGEST: Duration = Duration::from_secs(30);
/// Of what a server answers, so much is worth a line of the log.
const LONGEST_REASON: usize = 300;

/// Sends mails by one way, from one sender.
pub struct Mailer(MailSettings);

/// A mail was not taken.
pub struct Unsent {
    /// For the log: without the recipient, in one line.
    pub why: String,
    /// It never will be, however often it is tried (RFC 5321 §4.2.1).
    pub for_good: bool,
}

impl Mailer {
    pub fn new(settings: MailSettings) -> Self {
        Self(settings)
    }

    pub async fn send(&self, mail: &Mail) -> Result<(), Unsent> {
        let sent = match message::of(&self.0.from, mail) {
            Ok(message) => self.hand_over(mail, message).await,
            Err(why) => Err(Unsent { why, for_good: true }),
        };
        sent.map_err(|unsent| Unsent { why: reason(&unsent.why, &mail.recipient), ..unsent })
    }

    async fn hand_over(&self, mail: &Mail, message: Message) -> Result<(), Unsent> {
        let later = |why: String| Unsent { why, for_good: false };
        match &self.0.way {
            Way::Smtp(server) => match timeout(LONGEST, server.transport.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(why)) => Err(Unsent { for_good: is_for_good(&why), why: why.to_string() }),
                Err(_) => {
                    Err(later(format!("the server did not finish within {} seconds", LONGEST.as_secs())))
                }
            },
            Way::Folder(folder) => {
                let (folder, name, text) = (folder.clone(), mail.id.to_string(), message.formatted());
                let written = tokio::task::spawn_blocking(move || write(&folder, &name, &text)).await;
                written.map_err(|why| later(why.to_string()))?.map_err(|why| later(why.to_string()))
            }
        }
    }
}

/// Of 5yz, what is about the mail. 50z and 53z are about what is said and who says it: wrong settings here, which can be mended.
fn is_for_good(why: &smtp::Error) -> bool {
    let ours =
        why.status().is_some_and(|code| matches!(code.category, Category::Syntax | Category::Unspecified3));
    why.is_permanent() && !ours
}

/// Whole under its name, or not there: whoever waits for the file never reads half of it.
fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let half = folder.join(format!("{name}.part"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(text)?;
    std::fs::rename(half, folder.join(format!("{name}.eml")))
}

/// Servers like to repeat the address that they refuse.
fn reason(why: &str, recipient: &str) -> String {
    let why = why.replace(recipient, "(the recipient)");
    why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_without_the_recipient() {
        let why = "permanent error (550): <ada@op.test>: no such user\r\nid=\"forged\"";
        let said = "permanent error (550): <(the recipient)>: no such user  id=\"forged\"";
        assert_eq!(reason(why, "ada@op.test"), said);
        assert_eq!(reason(&"x".repeat(5000), "ada@op.test").len(), LONGEST_REASON);
    }
}
