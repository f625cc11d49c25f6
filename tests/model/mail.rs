//! Mail: there is none, it fails, or it arrives. Whoever has an address sets nothing up without the code that was mailed there: the
//! newest of its person, in the page that it was mailed for.

use super::app::TestApp;
use super::browser::Reply;
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
    /// The server refuses every recipient.
    Fails,
    Arrives,
}

pub const MAILS: [Mail; 3] = [Mail::None, Mail::Fails, Mail::Arrives];

/// What a page's person was mailed for it.
#[derive(Default)]
pub struct Mailed {
    code: Option<String>,
    /// It was entered.
    confirmed: bool,
}

/// Wrong ones of one source that cost nothing.
const FREE: u32 = 5;

impl Mail {
    pub async fn start(self) -> Option<SmtpServer> {
        match self {
            Self::None => None,
            Self::Fails => Some(SmtpServer::start(Manner::Refuses).await),
            Self::Arrives => Some(SmtpServer::start(Manner::Takes).await),
        }
    }
}

/// From now on this person has an address.
pub async fn give_address(app: &TestApp, person: &mut Person) {
    let address = address_of(person);
    let (id, email, now) = (person.user.id.clone(), LoginName::parse(&address).unwrap(), app.clock.now());
    app.app.store.write(move |c| users::replace_email(c, &id, &email, now)).await.unwrap();
    person.has_address = true;
}

fn address_of(person: &Person) -> String {
    format!("{}@op.test", person.user.name)
}

impl World {
    /// A page that asks for a mailed code is shown: the first time, it was mailed for it.
    pub async fn is_mailed(&mut self, tab: usize, page: &Reply) {
        let person = self.tabs[tab].person.expect("a page about nobody");
        let (mailbox, owner) = (self.mailbox.as_ref().unwrap(), &mut self.people[person]);
        // No more than ten of them go to an address.
        let asks = page.body.contains("id=\"code\"");
        if self.mail != Mail::Arrives || self.tabs[tab].mailed.code.is_some() || !asks {
            return;
        }
        let address = address_of(owner);
        let codes = || {
            let received = mailbox.received().into_iter().filter(|mail| mail.to.contains(&address));
            received.filter_map(|mail| mail.code().map(str::to_owned)).collect::<Vec<_>>()
        };
        until("the code came", async || codes().len() > owner.codes_mailed).await;
        let codes = codes();
        assert_eq!(codes.len(), owner.codes_mailed + 1, "one mail is one code");
        owner.codes_mailed += 1;
        owner.newest_code_in = Some(tab);
        self.tabs[tab].mailed.code = codes.into_iter().next_back();
    }

    /// The code of this page, or one that is made up. It is right while it is the newest of its person.
    pub async fn enter_mailed_code(&mut self, tab: usize, page: &Reply, has_it: bool) {
        let person = self.tabs[tab].person.expect("a page about nobody");
        let code = self.tabs[tab].mailed.code.clone().filter(|_| has_it);
        let right = code.is_some() && self.people[person].newest_code_in == Some(tab);
        let browser = self.tabs[tab].browser;
        let typed = code.unwrap_or_else(|| "00000000".to_owned());
        let reply = self.browsers[browser].submit(page, &[("code", &typed)]).await;
        let owner = &mut self.people[person];
        if reply.status == 429 {
            assert!(owner.failed_mail_codes >= FREE, "braked after {} of {person}", owner.failed_mail_codes);
            return;
        }
        self.told.lock().unwrap().lines.push(format!("    mailed code of {}, {right}", owner.user.name));
        if right {
            assert_ne!(reply.page(), "mail-code", "a right code is refused: {reply:?}");
            (owner.failed_mail_codes, owner.newest_code_in) = (0, None);
            self.tabs[tab].mailed.confirmed = true;
        } else {
            assert!(!reply.page().starts_with("enrol"), "a wrong code is right: {reply:?}");
            owner.failed_mail_codes += 1;
        }
        self.count(if right { "mailed code entered" } else { "mailed code guessed" });
        self.landed(tab, reply).await;
    }

    /// Nothing is set up for somebody who has an address, without its mailbox.
    pub fn mailbox_was_shown(&self, tab: usize, person: usize) {
        let shown = self.tabs[tab].mailed.confirmed;
        assert!(shown || !self.people[person].has_address, "set up without the code that was mailed");
    }
}
