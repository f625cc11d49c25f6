//! Mail: it works, it fails, or there is none. Where somebody has an address, nothing is set up without the code that was mailed there;
//! the newest one voids those of their other pages.

use super::app::TestApp;
use super::browser::Reply;
use super::pages::Asks;
use super::people::Person;
use super::smtp::Manner;
use super::smtp::SmtpServer;
use super::smtp::until;
use super::world::World;
use stepgate::base::time::Clock;
use stepgate::store::users;
use stepgate::store::users::LoginName;

/// How mail is set up in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    None,
    Works,
    /// The server refuses every recipient.
    Fails,
}

pub const MAILS: [Mail; 3] = [Mail::None, Mail::Works, Mail::Fails];

impl Mail {
    pub async fn start(self) -> Option<SmtpServer> {
        match self {
            Self::None => None,
            Self::Works => Some(SmtpServer::start(Manner::Takes).await),
            Self::Fails => Some(SmtpServer::start(Manner::Refuses).await),
        }
    }
}

/// From now on this person has an address.
pub async fn give_address(app: &TestApp, person: &mut Person) {
    let address = format!("{}@op.test", person.user.name);
    let (id, email, now) = (person.user.id.clone(), LoginName::parse(&address).unwrap(), app.clock.now());
    app.app.store.write(move |c| users::replace_email(c, &id, &email, now)).await.unwrap();
    person.address = Some(address);
}

impl World {
    /// A page that asks for a code has mailed one, unless the address has had enough of them.
    pub fn mailed(&mut self, tab: usize, page: &Reply) {
        let this = &mut self.tabs[tab];
        if page.page() != "mail-code" || this.mailed || !page.body.contains("name=\"code\"") {
            return;
        }
        this.mailed = true;
        let person = this.person.expect("a code for nobody");
        self.people[person].newest_code = Some(tab);
    }

    /// What the mailbox has is typed, if it has anything; it counts on the page that it was mailed for last.
    pub async fn enter_mailed_code(&mut self, tab: usize, page: &Reply, person: usize) {
        let code = self.newest_code_of(person).await;
        let right = code.is_some() && self.people[person].newest_code == Some(tab);
        let code = code.unwrap_or_else(|| "00000000".into());
        let browser = self.tabs[tab].browser;
        let reply = self.browsers[browser].submit(page, &[("code", &code)]).await;
        if reply.status == 429 {
            return self.landed(tab, reply).await;
        }
        self.count(if right { "mailed code right" } else { "mailed code wrong" });
        if right {
            assert_ne!(reply.page(), "mail-code", "the newest code is refused: {reply:?}");
            self.tabs[tab].mail_confirmed = true;
            self.people[person].newest_code = None;
        } else {
            assert!(!reply.page().starts_with("enrol"), "a code of another page, or of nobody: {reply:?}");
        }
        self.landed(tab, reply).await;
    }

    /// Once every mail is out, or refused.
    async fn newest_code_of(&self, person: usize) -> Option<String> {
        let address = self.people[person].address.clone()?;
        let waiting = "SELECT count(*) FROM mails WHERE failed_at IS NULL";
        until("the mails are out", async || self.app.sql(waiting) == "0").await;
        let mails = self.mailbox.iter().flat_map(SmtpServer::received);
        let own = mails.filter(|mail| mail.to == [address.clone()]).collect::<Vec<_>>();
        let code = |text: &str| {
            let mut words = text.split_whitespace().map(str::to_owned);
            words.find(|word| word.len() == 8 && word.bytes().all(|b| b.is_ascii_digit()))
        };
        own.iter().rev().find_map(|mail| code(&mail.text))
    }

    /// Nothing is set up for somebody who has an address, without its mailbox.
    pub fn mailbox_was_shown(&self, tab: usize, person: usize) {
        let is_wanted = matches!(self.tabs[tab].asks, Asks::Client(..)) && self.mailbox.is_some();
        if is_wanted && self.people[person].address.is_some() {
            assert!(self.tabs[tab].mail_confirmed, "something is set up without the code that was mailed");
        }
    }
}
