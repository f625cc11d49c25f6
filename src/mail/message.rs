//! One mail as RFC 5322 wants it: plain text, UTF-8, and marked as written by a program (RFC 3834 §5).

use crate::store::mails::Mail;
use lettre::Address;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::SinglePart;
use lettre::message::header::HeaderName;
use lettre::message::header::HeaderValue;
use std::time::Duration;
use std::time::UNIX_EPOCH;

const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Each try makes the same message: what arrives twice has one `Message-ID`.
pub fn of(from: &Mailbox, mail: &Mail) -> Result<Message, String> {
    // An address alone: a name, a list or a second address has no way in.
    let to = mail.recipient.parse::<Address>().map_err(|_| "the recipient is not an e-mail address")?;
    let date = UNIX_EPOCH + Duration::from_micros(u64::try_from(mail.created_at.micros()).unwrap_or(0));
    Message::builder()
        .from(from.clone())
        .to(to.into())
        .subject(one_line(&mail.subject))
        .date(date)
        .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".into()))
        .singlepart(SinglePart::plain(mail.body.trim_end().to_owned()))
        .map_err(|why| why.to_string())
}

/// A line break would begin a header of the stranger's own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::MailId;
    use crate::base::time::Time;

    fn mail(recipient: &str, subject: &str, body: &str) -> Mail {
        let now = Time::from_unix_seconds(1_800_000_000);
        Mail {
            id: MailId::from_text("0190"),
            recipient: recipient.into(),
            subject: subject.into(),
            body: body.into(),
            created_at: now,
            tries: 0,
            next_try_at: now,
        }
    }

    fn written(mail: &Mail) -> Result<String, String> {
        let from = Mailbox::new(Some("Größe & Co".into()), "login@op.test".parse().unwrap());
        of(&from, mail).map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_mail_has_the_headers_that_it_needs_and_is_ascii_on_the_wire() {
        let text = written(&mail("ada@op.test", "Ihr Code für später", "Grüße,\nStepgate\n")).unwrap();
        assert!(text.is_ascii());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            head.lines().collect::<Vec<_>>(),
            [
                "From: =?utf-8?b?R3LDtsOfZSAmIENv?= <login@op.test>",
                "To: ada@op.test",
                "Subject: Ihr Code =?utf-8?b?ZsO8ciBzcMOkdGVy?=",
                "Date: Fri, 15 Jan 2027 08:00:00 +0000",
                "Message-ID: <0190@op.test>",
                "Auto-Submitted: auto-generated",
                "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Transfer-Encoding: quoted-printable",
            ]
        );
        assert_eq!(body, "Gr=C3=BC=C3=9Fe,\r\nStepgate\r\n");
    }

    #[test]
    fn neither_subject_nor_recipient_can_add_a_header_or_a_recipient() {
        for subject in
            ["a\r\nBcc: eve@evil.test", "a\nBcc: eve@evil.test\n\nbody", "a\rBcc: b", "ü\r\nBcc: c"]
        {
            let text = written(&mail("ada@op.test", subject, "body")).unwrap();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let names = head
                .lines()
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split_once(':').unwrap().0);
            assert!(names.clone().count() == 9 && !names.clone().any(|name| name == "Bcc"), "{text}");
        }
        for recipient in [
            "",
            "ada",
            "ada@",
            "ada@op.test\r\nBcc: eve@evil.test",
            "ada@op.test,eve@evil.test",
            "ada@op.test eve@evil.test",
            "Ada <eve@evil.test>",
            "ada<eve@evil.test>",
            "<eve@evil.test>",
            "ada@op.test>\r\nRCPT TO:<eve@evil.test",
        ] {
            let refused = written(&mail(recipient, "s", "body")).unwrap_err();
            assert_eq!(refused, "the recipient is not an e-mail address", "{recipient:?}");
        }
    }
}
