//! Mail: there is none, or it fails. Whoever has an address can't have the code that was mailed there, so nothing is set up for them.

use super::app::TestApp;
use super::browser::Reply;
use super::people::Person;
use super::smtp::Manner;
use super::smtp::SmtpServer;
use super::world::World;
use stepgate::base::time::Clock;
use stepgate::store::users;
use stepgate::store::users::LoginName;

/// How mail is set up in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    None,
    /// The server refuses every recipient.
    Fails,
}

pub const MAILS: [Mail; 2] = [Mail::None, Mail::Fails];

impl Mail {
    pub async fn start(self) -> Option<SmtpServer> {
        match self {
            Self::None => None,
            Self::Fails => Some(SmtpServer::start(Manner::Refuses).await),
        }
    }
}

/// From now on this person has an address.
pub async fn give_address(app: &TestApp, person: &mut Person) {
    let address = format!("{}@op.test", person.user.name);
    let (id, email, now) = (person.user.id.clone(), LoginName::parse(&address).unwrap(), app.clock.now());
    app.app.store.write(move |c| users::replace_email(c, &id, &email, now)).await.unwrap();
    person.has_address = true;
}

impl World {
    /// Nobody has the code: it is guessed.
    pub async fn guess_mailed_code(&mut self, tab: usize, page: &Reply) {
        let browser = self.tabs[tab].browser;
        let reply = self.browsers[browser].submit(page, &[("code", "00000000")]).await;
        self.count("mailed code guessed");
        assert!(!reply.page().starts_with("enrol"), "a guess is right: {reply:?}");
        self.landed(tab, reply).await;
    }

    /// Nothing is set up for somebody who has an address, without its mailbox.
    pub fn needs_no_mailbox(&self, person: usize) {
        assert!(!self.people[person].has_address, "set up without the code that was mailed");
    }
}
