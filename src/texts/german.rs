//! The German texts, with „Sie“.

use super::Around;
use super::Texts;
use crate::assurance::ledger::Method;
use crate::base::time::Seconds;
use crate::base::time::Unit;
use crate::credential::password::BadPassword;
use crate::interaction::approval::AskedScope;
use crate::interaction::progress::Notice;
use crate::interaction::sentence::When;
use crate::interaction::sentence::Why;
use crate::protocol::language::Language;
use crate::protocol::standard_claims::OFFLINE;

pub static TEXTS: Texts = Texts {
    language: Language::German,

    account: "Konto:",
    cancel: "Abbrechen",
    proceed: "Weiter",
    different_account: "Anderes Konto verwenden",
    help: "Hilfe",
    not_now: "Jetzt nicht",
    password: "Passwort",
    sign_out: "Abmelden",
    signed_in_here: "In diesem Browser angemeldet:",
    try_another_way: "Auf andere Weise bestätigen",
    wrong: "Fehler:",
    goes_on: Around { before: "Danach geht es weiter zu ", after: "." },

    sign_in: "Anmelden",
    sign_in_to_go_on: |who| format!("Melden Sie sich an, um mit {who} fortzufahren."),
    sign_in_as_known: |who| {
        format!(
            "{who} fragt nach dem Konto, unter dem Sie dort bekannt sind. \
             Melden Sie sich mit diesem Konto an."
        )
    },
    username_or_email: "Benutzername oder E-Mail-Adresse",

    create_account: "Konto anlegen",
    create_to_go_on: |who| format!("Legen Sie ein Konto an, um mit {who} fortzufahren."),
    create_the_account: "Konto anlegen",
    have_an_account: "Ich habe schon ein Konto",
    password_hint: "Mindestens 8 Zeichen, egal welche. \
                    Gut sind ein paar Wörter, die nur Sie so zusammenstellen würden.",
    username: "Benutzername",

    choose_account: "Konto auswählen",
    choose_to_go_on: |who| format!("Wählen Sie ein Konto, um mit {who} fortzufahren."),

    allow: "Erlauben",
    allow_it: |who| format!("{who} den Zugriff erlauben?"),
    asks_for_access: |who| format!("{who} möchte auf Ihr Konto zugreifen."),
    dont_allow: "Nicht erlauben",
    lasts_for_the_session: "Der Zugriff endet, wenn Sie sich hier abmelden.",
    lasts_offline: "Der Zugriff bleibt nach dem Abmelden bestehen: höchstens 180 Tage, \
                    und höchstens 30 Tage, wenn er nicht genutzt wird.",
    would_be_able_to: "Die Anwendung könnte dann:",
    want,

    confirm: "Bestätigen Sie, dass Sie es sind",
    why,

    code_hint: |provider| {
        format!("Öffnen Sie Ihre Authenticator-App und geben Sie den Code für {provider} ein.")
    },
    code_label: "6-stelliger Code",
    code_shape: "sechs Ziffern",
    enter_code: "Geben Sie Ihren Code ein",

    notice,
    bad_password,

    going_on: "Es geht weiter",
    going_on_by_itself: "Sie sind auf dem Weg zurück zur Anwendung. Wenn nichts geschieht, wählen Sie „Weiter“.",

    home: "Startseite",
    home_nobody: "In diesem Browser ist niemand angemeldet. \
                  Öffnen Sie eine Anwendung und melden Sie sich von dort aus an.",
    home_why: "Dieser Dienst meldet Menschen bei Anwendungen an und fragt noch einmal nach, wenn es darauf ankommt.",
    welcome: "Willkommen",

    sign_out_really: "Abmelden?",
    signed_out: "Sie sind abgemeldet",
    signed_out_title: "Abgemeldet",
    signed_out_why: "In diesem Browser ist hier niemand angemeldet. Bei Anwendungen, die Sie benutzt haben, \
                     sind Sie es vielleicht noch; melden Sie sich auch dort ab.",
    stay_signed_in: "Angemeldet bleiben",

    title_method: "Das geht hier nicht",
    title_not_found: "Hier ist nichts",
    title_refused: "Hier geht es nicht weiter",
    title_too_many: "Zu viele Anfragen",
    title_unavailable: "Etwas ist nicht in Ordnung",
    braked: |wait| {
        let wait = span(wait);
        format!(
            "Zu viele Versuche sind fehlgeschlagen. \
             Warten Sie {wait}, gehen Sie zurück und versuchen Sie es noch einmal."
        )
    },
    forged_browser: "Dieses Formular gehört nicht zu diesem Browser. Öffnen Sie die Seite noch einmal.",
    forged_sign_in: "Dieses Formular gehört nicht zu dieser Anmeldung. \
                     Gehen Sie zurück zu Ihrer Anwendung und beginnen Sie von vorn.",
    gone: "Diese Anmeldung ist beendet oder abgelaufen, oder sie gehört zu einem anderen Browser. \
           Gehen Sie zurück zu Ihrer Anwendung und beginnen Sie von vorn.",
    method_not_allowed: "Diese Adresse lässt sich so nicht verwenden. Gehen Sie zurück zu Ihrer Anwendung.",
    not_found: "Diese Adresse gibt es nicht. Gehen Sie zurück zu Ihrer Anwendung.",
    too_many_open: "Von Ihrem Netz aus sind zu viele Anmeldungen offen. \
                    Schließen Sie eine davon ab oder warten Sie zehn Minuten.",
    unavailable: "Dieser Dienst kann gerade nicht antworten. \
                  Bitte versuchen Sie es in einigen Sekunden noch einmal.",
    request: "Anfrage",
};

fn why(Why { who, what, when }: &Why) -> String {
    let Proof { accusative, dative, used, last_use } = Proof::by(*what);
    match when {
        When::Anew => format!("{who} bittet Sie, mit {dative} erneut zu bestätigen, dass Sie es sind."),
        When::Within { most, age: None } => {
            format!("{who} verlangt, dass Sie {} {accusative} {used} haben.", in_the_last(*most))
        }
        When::Within { most, age: Some(age) } => {
            let (most, age) = (in_the_last(*most), ago(*age));
            format!("{who} verlangt, dass Sie {most} {accusative} {used} haben; {last_use} war {age}.")
        }
        When::Again { age } => {
            format!("{who} verlangt noch einmal {accusative}; {last_use} war {}.", ago(*age))
        }
        When::AsWell => {
            format!("{who} verlangt zusätzlich {accusative}, um sicher zu sein, dass Sie es sind.")
        }
    }
}

/// The words for a method.
struct Proof {
    accusative: &'static str,
    dative: &'static str,
    used: &'static str,
    last_use: &'static str,
}

impl Proof {
    fn by(method: Method) -> Self {
        let (accusative, dative) = match method {
            Method::Pwd => ("Ihr Passwort", "Ihrem Passwort"),
            Method::Otp => {
                ("einen Code aus Ihrer Authenticator-App", "einem Code aus Ihrer Authenticator-App")
            }
            Method::Webauthn => ("Ihren Passkey", "Ihrem Passkey"),
            Method::Recovery => ("einen Wiederherstellungscode", "einem Wiederherstellungscode"),
        };
        let (used, last_use) = match method {
            Method::Webauthn => ("benutzt", "die letzte Benutzung"),
            Method::Pwd | Method::Otp | Method::Recovery => ("eingegeben", "die letzte Eingabe"),
        };
        Self { accusative, dative, used, last_use }
    }
}

fn want(scope: &AskedScope) -> String {
    match (&scope.at, scope.name.as_str()) {
        (Some(at), "") => format!("{} in Ihrem Namen nutzen", at.name),
        (Some(at), name) => format!("{} in Ihrem Namen nutzen: „{name}“", at.name),
        (None, "openid") => "Sie erkennen, auch bei späteren Besuchen".into(),
        (None, "profile") => "Ihr Profil sehen: Name, Bild, Geburtstag, Sprache und Ähnliches".into(),
        (None, "email") => "Ihre E-Mail-Adresse sehen".into(),
        (None, "address") => "Ihre Postanschrift sehen".into(),
        (None, "phone") => "Ihre Telefonnummer sehen".into(),
        (None, "groups") => "die Gruppen sehen, zu denen Sie gehören".into(),
        (None, OFFLINE) => "diesen Zugriff behalten, wenn Sie nicht angemeldet sind".into(),
        (None, "") => "in Ihrem Namen zugreifen".into(),
        (None, other) => format!("„{other}“"),
    }
}

fn notice(notice: Notice, known: bool) -> &'static str {
    match notice {
        Notice::WrongPassword if known => "Das Passwort stimmt nicht. Versuchen Sie es noch einmal.",
        Notice::WrongPassword => {
            "Benutzername und Passwort passen nicht zusammen. Prüfen Sie beides und versuchen Sie es noch einmal."
        }
        Notice::WrongCode => {
            "Dieser Code gilt jetzt nicht. Codes wechseln alle 30 Sekunden und gelten nur einmal; \
             geben Sie den ein, der jetzt angezeigt wird."
        }
        Notice::NameTaken => "Dieser Benutzername ist vergeben. Wählen Sie einen anderen.",
        Notice::BadName => {
            "Ein Benutzername besteht aus den Buchstaben a–z, Ziffern und Zeichen wie . _ -, \
             ohne Leerzeichen und ohne @."
        }
        Notice::BadPassword(why) => bad_password(why),
    }
}

fn bad_password(why: BadPassword) -> &'static str {
    match why {
        BadPassword::Short => "Das Passwort ist kürzer als 8 Zeichen; wählen Sie ein längeres.",
        BadPassword::Long => "Das Passwort ist länger als 1024 Bytes; wählen Sie ein kürzeres.",
        BadPassword::Common => {
            "Dieses Passwort gehört zu denen, die zuerst geraten werden; wählen Sie ein anderes."
        }
    }
}

/// After "Warten Sie".
fn span(span: Seconds) -> String {
    let (count, unit) = span.in_words();
    match (count, unit) {
        (1, unit) => format!("1 {}", one(unit)),
        (count, Unit::Day) => format!("{count} Tage"),
        (count, unit) => format!("{count} {}", several_dative(unit)),
    }
}

fn ago(age: Seconds) -> String {
    match age.in_words() {
        (0, _) => "gerade eben".into(),
        (1, Unit::Day) => "vor 1 Tag".into(),
        (1, unit) => format!("vor 1 {}", one(unit)),
        (count, unit) => format!("vor {count} {}", several_dative(unit)),
    }
}

fn in_the_last(span: Seconds) -> String {
    match span.in_words() {
        (1, Unit::Day) => "am letzten Tag".into(),
        (1, unit) => format!("in der letzten {}", one(unit)),
        (count, unit) => format!("in den letzten {count} {}", several_dative(unit)),
    }
}

fn one(unit: Unit) -> &'static str {
    match unit {
        Unit::Day => "Tag",
        Unit::Hour => "Stunde",
        Unit::Minute => "Minute",
        Unit::Second => "Sekunde",
    }
}

/// The accusative too, but for days.
fn several_dative(unit: Unit) -> &'static str {
    match unit {
        Unit::Day => "Tagen",
        Unit::Hour => "Stunden",
        Unit::Minute => "Minuten",
        Unit::Second => "Sekunden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_who_asks_for_what_and_why() {
        let (most, age) = (Seconds::minutes(5), Seconds::minutes(42));
        for (what, when, said) in [
            (
                Method::Pwd,
                When::Within { most, age: Some(age) },
                "Acme Shop verlangt, dass Sie in den letzten 5 Minuten Ihr Passwort eingegeben haben; \
                 die letzte Eingabe war vor 42 Minuten.",
            ),
            (
                Method::Otp,
                When::Within { most, age: None },
                "Acme Shop verlangt, dass Sie in den letzten 5 Minuten einen Code aus Ihrer Authenticator-App \
                 eingegeben haben.",
            ),
            (
                Method::Pwd,
                When::Again { age },
                "Acme Shop verlangt noch einmal Ihr Passwort; die letzte Eingabe war vor 42 Minuten.",
            ),
            (
                Method::Otp,
                When::AsWell,
                "Acme Shop verlangt zusätzlich einen Code aus Ihrer Authenticator-App, \
                 um sicher zu sein, dass Sie es sind.",
            ),
            (
                Method::Pwd,
                When::Anew,
                "Acme Shop bittet Sie, mit Ihrem Passwort erneut zu bestätigen, dass Sie es sind.",
            ),
        ] {
            assert_eq!(why(&Why { who: "Acme Shop", what, when }), said);
        }
    }

    #[test]
    fn spans_are_inflected() {
        let all = [1, 42, 60, 300, 3600, 7300, 200_000].map(Seconds);
        assert_eq!(
            all.map(span),
            ["1 Sekunde", "42 Sekunden", "1 Minute", "5 Minuten", "1 Stunde", "2 Stunden", "2 Tage"]
        );
        assert_eq!(
            all.map(ago),
            [
                "vor 1 Sekunde",
                "vor 42 Sekunden",
                "vor 1 Minute",
                "vor 5 Minuten",
                "vor 1 Stunde",
                "vor 2 Stunden",
                "vor 2 Tagen"
            ]
        );
        assert_eq!(
            all.map(in_the_last),
            [
                "in der letzten Sekunde",
                "in den letzten 42 Sekunden",
                "in der letzten Minute",
                "in den letzten 5 Minuten",
                "in der letzten Stunde",
                "in den letzten 2 Stunden",
                "in den letzten 2 Tagen"
            ]
        );
        assert_eq!(ago(Seconds(0)), "gerade eben");
    }
}
