//! What may be done to the world, and how it is made up. Everything is named by its place (the newest page, the second grant), never by
//! an id or a secret, so that the same operations do the same in a world with other secrets, and shrink.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt;

#[derive(Clone, Debug)]
pub enum Operation {
    /// An application sends a browser here.
    Ask {
        browser: usize,
        wish: Wish,
    },
    /// The same, and whoever sits there does what the pages ask for; the code is redeemed.
    GoThrough {
        browser: usize,
        wish: Wish,
        who: usize,
        with: With,
    },
    /// Looks at an open page and answers it.
    Fill {
        page: usize,
        with: With,
        who: usize,
    },
    /// A form of an earlier page, sent once more with a proof that is right.
    /// `over`: of a page whose request has ended.
    SendOldForm {
        page: usize,
        earlier: usize,
        over: bool,
    },
    Press {
        page: usize,
        button: Button,
    },
    Redeem {
        grant: usize,
        how: Presenting,
    },
    /// `older`: so many generations before the newest one.
    Refresh {
        grant: usize,
        older: usize,
        by_its_client: bool,
    },
    Revoke {
        grant: usize,
        what: Revoked,
    },
    SignOut {
        browser: usize,
        by: SignOut,
    },
    /// On the account page of somebody who is signed in; `with` is what the pages get that this leads to, once it is wrong.
    Change {
        browser: usize,
        who: usize,
        what: Change,
        with: With,
    },
    Wait {
        seconds: u32,
    },
    /// The clock was wrong, or an instance beside this one has another.
    SetBack {
        seconds: u32,
    },
    /// The floors of the second client, which rise under pages that are open.
    SetFloors {
        raised: bool,
    },
    Administer {
        user: usize,
        what: Command,
    },
}

#[derive(Clone)]
pub struct Wish {
    pub client: usize,
    pub prompt: Option<&'static str>,
    pub max_age: Option<u32>,
    pub acr: Acr,
    pub about: Option<About>,
    pub login_hint: Option<usize>,
    pub offline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    RemovePasskey,
    Password,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Acr {
    Any,
    Values(Vec<&'static str>),
    Essential(Vec<&'static str>),
    Voluntary(Vec<&'static str>),
}

#[derive(Clone, Debug)]
pub enum About {
    Sub(usize),
    /// An ID token of this grant.
    Hint(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum With {
    Right,
    /// With a passkey, where a sign-in takes one.
    Passkey,
    /// The other factor that the page offers, rightly.
    OtherWay,
    Wrong,
    OfAnother,
    Spent,
}

#[derive(Clone, Copy, Debug)]
pub enum Button {
    OtherWay,
    OtherAccount,
    Decline,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presenting {
    Rightly,
    AsAnotherClient,
    WithAnotherVerifier,
}

#[derive(Clone, Copy, Debug)]
pub enum Revoked {
    AccessToken,
    RefreshToken,
}

#[derive(Clone, Copy, Debug)]
pub enum SignOut {
    Form,
    /// `/logout` with an ID token of this grant.
    Hint(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Command {
    Disable,
    Enable,
    SetPassword,
    ResetMfa,
    GiveTotp,
}

impl fmt::Debug for Wish {
    /// Only what is asked.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "client {}", self.client)?;
        self.offline.then(|| write!(f, " offline")).transpose()?;
        self.prompt.map(|prompt| write!(f, " prompt={prompt}")).transpose()?;
        self.max_age.map(|age| write!(f, " max_age={age}")).transpose()?;
        (self.acr != Acr::Any).then(|| write!(f, " acr {:?}", self.acr)).transpose()?;
        self.about.as_ref().map(|about| write!(f, " {about:?}")).transpose()?;
        self.login_hint.map(|user| write!(f, " login_hint={user}")).transpose().map(drop)
    }
}

pub const PWD: &str = "urn:stepgate:acr:pwd";
pub const MFA: &str = "urn:stepgate:acr:mfa";
/// Password and code, both fresh, of the last quarter of an hour.
pub const BOTH: &str = "urn:example:both";
pub const PHR: &str = "phr";
/// The password, of the last five minutes: weak, wherever it stands.
pub const RECENT: &str = "urn:example:recent";
pub const ONE: &str = "urn:stepgate:acr:1fa";

pub fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), most / 2..=most)
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        6 => (browser(), wish()).prop_map(|(browser, wish)| Ask { browser, wish }),
        9 => (browser(), prop_oneof![plain_wish(), wish()], who(), way())
            .prop_map(|(browser, wish, who, with)| GoThrough { browser, wish, who, with }),
        8 => (place(), with(), who()).prop_map(|(page, with, who)| Fill { page, with, who }),
        3 => (place(), place(), any::<bool>())
            .prop_map(|(page, earlier, over)| SendOldForm { page, earlier, over }),
        2 => (place(), button()).prop_map(|(page, button)| Press { page, button }),
        4 => (place(), presenting()).prop_map(|(grant, how)| Redeem { grant, how }),
        5 => (place(), select(vec![0, 0, 0, 0, 1, 1, 2]), weighted(0.1, Just(())))
            .prop_map(|(grant, older, other)| Refresh { grant, older, by_its_client: other.is_none() }),
        1 => (place(), select(vec![Revoked::AccessToken, Revoked::RefreshToken]))
            .prop_map(|(grant, what)| Revoke { grant, what }),
        1 => (browser(), sign_out()).prop_map(|(browser, by)| SignOut { browser, by }),
        3 => (browser(), who(), change(), select(vec![With::Right, With::OtherWay, With::Wrong]))
            .prop_map(|(browser, who, what, with)| Change { browser, who, what, with }),
        4 => select(vec![2, 9, 29, 30, 30, 61, 61, 290, 301, 601, 3_600, 43_000]).prop_map(|seconds| Wait { seconds }),
        1 => select(vec![43_201, 43_201, 604_801, 2_592_001]).prop_map(|seconds| Wait { seconds }),
        2 => select(vec![2, 9, 31, 61, 301]).prop_map(|seconds| SetBack { seconds }),
        1 => (who(), command()).prop_map(|(user, what)| Administer { user, what }),
        1 => any::<bool>().prop_map(|raised| SetFloors { raised }),
    ]
}

/// Mostly the newest.
fn place() -> impl Strategy<Value = usize> {
    select(vec![0, 0, 0, 0, 1, 1, 2, 3])
}

/// Mostly the same one.
fn browser() -> impl Strategy<Value = usize> {
    select(vec![0, 0, 0, 1, 1, 2])
}

fn who() -> impl Strategy<Value = usize> {
    select(vec![0, 0, 1, 1, 2])
}

fn client() -> impl Strategy<Value = usize> {
    select(vec![0, 1, 1, 2])
}

fn plain_wish() -> impl Strategy<Value = Wish> {
    let wish = |(client, offline)| Wish {
        client,
        prompt: None,
        max_age: None,
        acr: Acr::Any,
        about: None,
        login_hint: None,
        offline,
    };
    (client(), any::<bool>()).prop_map(wish)
}

fn wish() -> impl Strategy<Value = Wish> {
    let prompt = select(vec![
        None,
        None,
        None,
        Some("none"),
        Some("none"),
        Some("login"),
        Some("login"),
        Some("consent"),
        Some("consent"),
        Some("select_account"),
    ]);
    let max_age = select(vec![None, None, Some(0), Some(60), Some(300), Some(3_600)]);
    let about = prop_oneof![(0..3_usize).prop_map(About::Sub), place().prop_map(About::Hint)];
    let parts =
        (client(), prompt, max_age, acr(), weighted(0.2, about), weighted(0.1, 0..3_usize), any::<bool>());
    parts.prop_map(|(client, prompt, max_age, acr, about, login_hint, offline)| Wish {
        client,
        prompt,
        max_age,
        acr,
        about,
        login_hint,
        offline,
    })
}

fn acr() -> impl Strategy<Value = Acr> {
    let names = || {
        select(vec![
            vec![PWD],
            vec![MFA],
            vec![MFA],
            vec![PHR],
            vec![ONE],
            vec![BOTH],
            vec![BOTH],
            vec![PHR, PWD],
            vec![PWD, MFA],
        ])
    };
    prop_oneof![
        4 => Just(Acr::Any),
        3 => names().prop_map(Acr::Values),
        1 => names().prop_map(Acr::Essential),
        1 => names().prop_map(Acr::Voluntary),
    ]
}

fn with() -> impl Strategy<Value = With> {
    use With::*;
    select(vec![
        Right, Right, Right, Right, Right, Right, Passkey, Passkey, OtherWay, OtherWay, Wrong, Wrong,
        OfAnother, OfAnother, Spent, Spent,
    ])
}

fn way() -> impl Strategy<Value = With> {
    select(vec![With::Right, With::Right, With::OtherWay, With::OtherWay, With::Passkey])
}

fn button() -> impl Strategy<Value = Button> {
    select(vec![Button::OtherWay, Button::OtherWay, Button::OtherAccount, Button::Decline])
}

fn presenting() -> impl Strategy<Value = Presenting> {
    use Presenting::*;
    select(vec![Rightly, Rightly, Rightly, Rightly, AsAnotherClient, WithAnotherVerifier])
}

fn sign_out() -> impl Strategy<Value = SignOut> {
    prop_oneof![Just(SignOut::Form), place().prop_map(SignOut::Hint)]
}

fn change() -> impl Strategy<Value = Change> {
    select(vec![Change::RemovePasskey, Change::Password])
}

fn command() -> impl Strategy<Value = Command> {
    use Command::*;
    select(vec![Disable, Enable, Enable, SetPassword, ResetMfa, GiveTotp])
}
