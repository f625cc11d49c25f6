//! The German texts, with „Sie“.

use super::Around;
use super::Texts;
use crate::account::passkeys::Changed;
use crate::assurance::ledger::Method;
use crate::assurance::plan::Step;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::base::time::Unit;
use crate::credential::password::BadPassword;
use crate::interaction::approval::AskedScope;
use crate::interaction::enrol::Enrolment;
use crate::interaction::progress::Notice;
use crate::interaction::sentence::When;
use crate::interaction::sentence::Why;
use crate::interaction::told::Told;
use crate::interaction::told::What;
use crate::protocol::language::Language;
use crate::protocol::standard_claims::OFFLINE;
use crate::store::credentials::Kind;

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
    forget_account: |name| format!("Aus dieser Liste entfernen: {name}"),
    remove_from_list: "Aus dieser Liste entfernen",
    sign_in_as: |name| format!("Als {name} anmelden"),
    used_here_before: "In diesem Browser schon benutzt:",

    allow: "Erlauben",
    allow_it: |who| format!("{who} den Zugriff erlauben?"),
    asks_for_access: |who| format!("{who} möchte auf Ihr Konto zugreifen."),
    dont_allow: "Nicht erlauben",
    lasts_for_the_session: "Der Zugriff endet, wenn Sie sich hier abmelden.",
    lasts_offline: "Der Zugriff bleibt nach dem Abmelden bestehen: höchstens 180 Tage, \
                    und höchstens 30 Tage, wenn er nicht genutzt wird.",
    would_be_able_to: "Die Anwendung könnte dann:",
    want,

    continue_as: |who, name| format!("Weiter zu {who} als {name}"),
    continue_why: "Eine App auf diesem Gerät fragt, wer Sie sind. \
                   Fahren Sie fort, wenn Sie sie gerade selbst geöffnet haben.",

    confirm: "Bestätigen Sie, dass Sie es sind",
    why,

    first_prove: |who| {
        format!(
            "{who} verlangt eine stärkere Anmeldung, die Sie noch nicht eingerichtet haben. \
             Bestätigen Sie zuerst, dass Sie es sind."
        )
    },
    another_way,

    passkey: "Passkey",
    passkeys: "Passkeys",
    security_key: "Sicherheitsschlüssel",
    passkey_failed: "Das wurde abgebrochen oder hat nicht geklappt. \
                     Versuchen Sie es noch einmal oder wählen Sie einen anderen Weg.",
    passkey_taken_here: "Auf diesem Gerät gibt es schon einen für dieses Konto.",
    passkey_working: "Folgen Sie den Hinweisen Ihres Browsers oder Geräts.",
    passkeys_missing: "Dieser Browser kann keine Passkeys verwenden. Wählen Sie einen anderen Weg.",
    passkeys_need_script: "Passkeys brauchen JavaScript, das in diesem Browser ausgeschaltet ist. \
                           Wählen Sie einen anderen Weg.",
    or_with_password: "Oder mit Ihrem Passwort:",
    sign_in_with_passkey: "Mit einem Passkey anmelden",
    use_passkey: "Passkey verwenden",
    use_security_key: "Sicherheitsschlüssel verwenden",

    enter_recovery_code: "Geben Sie einen Wiederherstellungscode ein",
    recovery_code: "Wiederherstellungscode",
    recovery_code_hint: "Einer von denen, die Sie aufbewahrt haben, wie ABCD-EFGH-JKMN-PQRS. \
                         Jeder gilt einmal.",

    look_into_mail: "Sehen Sie in Ihre E-Mails",
    mail_again: "Einen neuen Code senden",
    mail_code: "Code aus der E-Mail",
    mail_code_hint: "Acht Ziffern. Es kann eine Minute dauern, bis sie ankommen.",
    mailed_why: |who| {
        format!(
            "Bevor Sie für {who} etwas Neues einrichten, geben Sie den Code ein, \
             der an Ihre Adresse geschickt wurde."
        )
    },
    mails_full: |wait| {
        format!(
            "An Ihre Adresse wurden viele Codes geschickt, darum wird vorerst keiner mehr geschickt. \
             Versuchen Sie es nach {} noch einmal. Wenn nicht Sie danach gefragt haben, ändern Sie Ihr Passwort.",
            span_dative(wait)
        )
    },

    add_passkey: "Passkey hinzufügen",
    add_security_key: "Sicherheitsschlüssel hinzufügen",
    add_totp: "Authenticator-App einrichten",
    enrol_instead: |what| match what {
        Enrolment::Passkey | Enrolment::SecurityKey => "Stattdessen einen Passkey hinzufügen",
        Enrolment::Totp => "Stattdessen eine Authenticator-App verwenden",
    },
    enrol_why: |who| {
        format!("{who} verlangt eine stärkere Anmeldung. Richten Sie jetzt eine ein; es dauert eine Minute.")
    },
    enrol_wished: "Das ist ein weiterer Weg, zu zeigen, dass Sie es sind.",
    passkey_is: "Ein Passkey ist Ihr Fingerabdruck, Ihr Gesicht oder Ihre PIN auf diesem Gerät, \
                 oder er liegt in Ihrem Passwortmanager. \
                 Sie müssen sich nichts merken, und niemand kann ihn Ihnen entlocken.",
    security_key_is: "Ein kleiner Schlüssel, den Sie einstecken oder ans Telefon halten. \
                      Er wird zusätzlich zu Ihrem Passwort verlangt.",
    qr_is: "QR-Code für die Authenticator-App",
    scan: "Öffnen Sie eine Authenticator-App auf Ihrem Telefon und scannen Sie dieses Bild.",
    totp_completes: "Geben Sie dann den Code ein, den die App anzeigt.",
    type_secret: "Oder tippen Sie dies in die App ein:",

    codes_kept: "Ich habe sie aufbewahrt",
    codes_once: "Sie werden nur jetzt gezeigt. Jeder gilt einmal.",
    codes_why: "Wenn Sie einmal verlieren, womit Sie sich anmelden, helfen Ihnen diese Codes. \
                Drucken Sie sie aus oder schreiben Sie sie auf.",
    keep_codes: "Bewahren Sie diese Wiederherstellungscodes auf",

    authenticator_app: "Authenticator-App",
    change_password: "Passwort ändern",
    added_on: |at| format!("Hinzugefügt am {}", day(at)),
    changed: |what| match what {
        Changed::Added => "Hinzugefügt.",
        Changed::Renamed => "Der neue Name ist gespeichert.",
        Changed::Removed => "Entfernt. Wo Sie damit angemeldet waren, werden Sie wieder gefragt.",
        Changed::LastWayIn => {
            "Das ist der einzige Zugang zu Ihrem Konto. Fügen Sie erst einen anderen hinzu."
        }
        Changed::Gone => "Das gibt es nicht mehr.",
        Changed::PasswordChanged => "Ihr Passwort ist geändert. Überall sonst sind Sie abgemeldet.",
        Changed::Replacing => {
            "Der Ersatz wartet noch und tritt dann an die Stelle dessen, was Sie verloren haben. \
             Eine E-Mail dazu ist unterwegs."
        }
        Changed::ReplacementCancelled => "Alles bleibt, wie es war.",
        Changed::TooManyTries => {
            "Zu viele Eingaben haben nicht gestimmt, deshalb wurde nichts geändert. Bitte fangen Sie noch einmal an."
        }
    },
    codes_left: |left| match left {
        None => "Sie haben keine Wiederherstellungscodes.".into(),
        Some(1) => "Sie haben noch 1 Wiederherstellungscode. Neue ersetzen ihn.".into(),
        Some(left) => format!("Sie haben noch {left} Wiederherstellungscodes. Neue ersetzen sie."),
    },
    codes_need_a_factor: "Wiederherstellungscodes helfen, wenn Sie einen Passkey, einen Sicherheitsschlüssel oder Ihre Authenticator-App verlieren. \
                          Richten Sie zuerst eines davon ein.",
    failed_sign_ins: |told| {
        let attempts = match told.count {
            1 => "1 fehlgeschlagener Anmeldeversuch".into(),
            count => format!("{count} fehlgeschlagene Anmeldeversuche"),
        };
        let (day, time) = (day(told.last_at), told.last_at.date("%H:%M"));
        format!(
            "{attempts} seit Ihrer letzten Anmeldung, der letzte am {day} um {time} Uhr (UTC). \
             Wenn Sie das nicht waren, ändern Sie Ihr Passwort."
        )
    },
    device_bound: "Nur auf einem Gerät",
    kept_by: |who| format!("Liegt bei {who}"),
    lost_it: "Verloren gegangen",
    make_codes: "Wiederherstellungscodes erzeugen",
    no_passkeys: "Sie haben noch keinen. Mit einem Passkey melden Sie sich ohne Passwort an.",
    nothing_to_prove_with: "Es ist nichts mehr da, womit Sie das bestätigen könnten. \
                            Bitten Sie den Betreiber dieses Dienstes um Hilfe.",
    passkey_name: "Name",
    remove: "Entfernen",
    rename: "Umbenennen",
    replacement: "Ein Ersatz wartet",
    replacement_waits: |at| match at {
        None => "Seine Wartezeit beginnt, sobald die E-Mail darüber bei Ihnen angekommen ist.".into(),
        Some(at) => format!(
            "Am {} um {} Uhr (UTC) tritt er an die Stelle dessen, was Sie verloren haben.",
            day(at),
            at.date("%H:%M")
        ),
    },
    security_key_fact: "Sicherheitsschlüssel: gilt zusammen mit Ihrem Passwort",
    synced: "Zwischen Geräten synchronisiert",
    used_on: |at| match at {
        None => "Noch nicht benutzt".into(),
        Some(at) => format!("Zuletzt benutzt am {}", day(at)),
    },

    new_password: "Neues Passwort",
    new_password_why: "Hier bleiben Sie angemeldet; überall sonst werden Sie abgemeldet.",

    cancel_it: "Den Ersatz verwerfen",
    cancel_replacement: "Einen Ersatz verwerfen",
    cancel_replacement_why: "Jemand sagt, verloren zu haben, womit er sich anmeldet, und hat einen Ersatz eingerichtet. \
                             Wenn Sie das nicht waren, verwerfen Sie ihn, melden Sie sich an und ändern Sie Ihr Passwort.",
    nothing_to_cancel: "Es gibt nichts zu verwerfen: Der Ersatz ist schon verworfen oder gilt bereits. \
                        Wenn Sie das nicht waren, bitten Sie den Betreiber dieses Dienstes um Hilfe.",
    recovery_cancelled: "Verworfen: Alles bleibt, wie es war. Melden Sie sich jetzt an und ändern Sie Ihr Passwort.",
    replace_why: |delay| {
        format!(
            "Richten Sie einen Ersatz ein. Eine E-Mail sagt es Ihnen und kann ihn verwerfen. {} danach tritt er an die Stelle \
             dessen, was Sie verloren haben.",
            span(delay)
        )
    },

    mail,

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
    forget_me: "Die hier benutzten Konten vergessen",
    sign_out_and_forget: "Abmelden und mich vergessen",

    title_method: "Das geht hier nicht",
    title_not_found: "Hier ist nichts",
    title_refused: "Hier geht es nicht weiter",
    title_too_many: "Zu viele Anfragen",
    title_unavailable: "Etwas ist nicht in Ordnung",
    locked: "Dieser Weg ist gesperrt, weil zu viele Versuche fehlgeschlagen sind. \
             Gehen Sie zurück und wählen Sie einen anderen, oder bitten Sie den Betreiber dieses Dienstes um Hilfe.",
    asked_again: |who, wait| {
        let wait = span(wait);
        format!(
            "{who} hat Sie immer wieder gebeten, zu bestätigen, dass Sie es sind. Dort stimmt etwas nicht. \
             Warten Sie {wait} und versuchen Sie es dann noch einmal."
        )
    },
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
    not_in_a_window: "Das öffnet sich nur in einem eigenen Fenster, nicht innerhalb einer anderen Seite. \
                      Gehen Sie zur Anwendung zurück, und öffnen Sie sie im ganzen Fenster.",
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

fn another_way(step: &Step) -> &'static str {
    match step.method {
        Method::Webauthn if step.uv => "Passkey",
        Method::Webauthn => "Sicherheitsschlüssel",
        Method::Pwd => "Passwort",
        Method::Otp => "Authenticator-App",
        Method::Recovery => "Wiederherstellungscode",
    }
}

fn day(at: Time) -> String {
    at.date("%-d.%-m.%Y")
}

fn mail(told: &Told) -> (String, String) {
    let Told { what, provider, username, address, at } = told;
    let (subject, sentence) = match what {
        What::Code(code) => {
            let sentence = format!(
                "Jemand, der sich als {username} anmelden kann, richtet einen weiteren Weg dafür ein. Wenn Sie das \
                 sind, geben Sie diesen Code ein:\n\n    {code}\n\nEr gilt einige Minuten. Geben Sie ihn niemandem weiter."
            );
            return (format!("{code} ist Ihr Code für {provider}"), sentence);
        }
        What::Replacing { kind, delay, link } => {
            let (lost, earliest) = (named(*kind), at.plus(*delay));
            let sentence = format!(
                "Jemand, der Ihr Passwort und einen weiteren Ihrer Nachweise kennt, sagt, Sie hätten {lost} Ihres Kontos \
                 {username} bei {provider} verloren. Ein Ersatz tritt an diese Stelle, wenn diese E-Mail {} bei Ihnen ist, \
                 und nicht vor dem {} um {} Uhr (UTC).\n\nWenn Sie das waren, ist nichts zu tun. Wenn nicht, verwerfen \
                 Sie ihn jetzt:\n\n    {link}\n\nund ändern Sie dann unter {address} Ihr Passwort.",
                span(*delay),
                day(earliest),
                earliest.date("%H:%M")
            );
            return (format!("Haben Sie {lost} verloren? ({provider})"), sentence);
        }
        What::Replaced(Kind::Totp) => {
            ("Ihre Authenticator-App wurde ersetzt", "wurde die Authenticator-App ersetzt")
        }
        What::Replaced(_) => ("Ihr Passkey wurde ersetzt", "wurde ein Passkey ersetzt"),
        What::ReplacementCancelled => {
            ("Der Ersatz wurde verworfen", "wurde der Ersatz für etwas Verlorenes verworfen")
        }
        What::Added(Kind::Passkey) => ("Ein Passkey wurde hinzugefügt", "wurde ein Passkey hinzugefügt"),
        What::Added(Kind::SecurityKey) => {
            ("Ein Sicherheitsschlüssel wurde hinzugefügt", "wurde ein Sicherheitsschlüssel hinzugefügt")
        }
        What::Added(Kind::Totp) => {
            ("Eine Authenticator-App wurde eingerichtet", "wurde eine Authenticator-App eingerichtet")
        }
        What::Added(Kind::Recovery) => {
            ("Wiederherstellungscodes wurden erzeugt", "wurden neue Wiederherstellungscodes erzeugt")
        }
        What::Added(Kind::Password) => ("Ihr Passwort wurde geändert", "wurde ein neues Passwort gesetzt"),
        What::Removed(Kind::Passkey | Kind::SecurityKey) => {
            ("Ein Passkey wurde entfernt", "wurde ein Passkey entfernt")
        }
        What::Removed(_) => ("Ein zweiter Faktor wurde entfernt", "wurde ein zweiter Faktor entfernt"),
        What::RecoveryUsed => {
            ("Ein Wiederherstellungscode wurde benutzt", "wurde ein Wiederherstellungscode benutzt")
        }
        What::NewAddress => {
            ("Ihre E-Mail-Adresse wurde geändert", "wurde eine andere E-Mail-Adresse eingetragen")
        }
        What::Copied => (
            "Ein Passkey wurde vielleicht kopiert",
            "wurde bei einer Anmeldung eine alte Kopie eines Passkeys zurückgewiesen",
        ),
    };
    let text = format!(
        "Bei Ihrem Konto {username} bei {provider} {sentence}, am {} um {} Uhr (UTC).\n\nWenn Sie das waren, ist \
         nichts zu tun. Wenn nicht, melden Sie sich jetzt unter {address} an, entfernen Sie, was nicht von Ihnen ist, \
         und ändern Sie Ihr Passwort.",
        day(*at),
        at.date("%H:%M")
    );
    (format!("{subject} ({provider})"), text)
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
        Notice::WrongRecoveryCode => {
            "Das ist keiner Ihrer Wiederherstellungscodes, oder er wurde schon benutzt. Jeder gilt einmal."
        }
        Notice::WrongPasskey => {
            "Das hat nicht geklappt. Versuchen Sie es noch einmal oder wählen Sie einen anderen Weg."
        }
        Notice::LatePasskey => "Das hat zu lange gedauert. Versuchen Sie es noch einmal.",
        Notice::UnknownPasskey => {
            "Dieser Passkey ist hier nicht mehr bekannt. \
             Melden Sie sich anders an und entfernen Sie ihn von Ihrem Gerät."
        }
        Notice::PasskeyNotEnough => {
            "Dieser Passkey reicht hier nicht aus. Nehmen Sie einen anderen Ihrer Passkeys."
        }
        Notice::ReplacementWaits => "Ein anderer Ersatz wartet schon. Verwerfen Sie erst diesen.",
        Notice::TooManyKeys => {
            "Sie haben so viele Passkeys, wie aufbewahrt werden können. Entfernen Sie zuerst einen davon."
        }
        Notice::PasskeyTaken => {
            "Dieser Passkey ist schon in Gebrauch. Nehmen Sie ein anderes Gerät oder einen anderen Passwortmanager."
        }
        Notice::WrongSetupCode => {
            "Dieser Code passt nicht. Scannen Sie das Bild noch einmal \
             und geben Sie den Code ein, den die App jetzt anzeigt."
        }
        Notice::WrongMailCode => {
            "Das ist nicht der Code, der Ihnen geschickt wurde. Geben Sie den neuesten ein."
        }
        Notice::NameTaken => "Dieser Benutzername ist vergeben. Wählen Sie einen anderen.",
        Notice::BadName => {
            "Ein Benutzername besteht aus den Buchstaben a–z, Ziffern und Zeichen wie . _ -, \
             ohne Leerzeichen und ohne @."
        }
        Notice::ReservedName => {
            "Dieser Benutzername ist für die Betreiber dieses Dienstes. Wählen Sie einen anderen."
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
        BadPassword::Named => {
            "Dieses Passwort ist kaum mehr als ein Name von Ihnen oder von diesem Dienst; wählen Sie ein anderes."
        }
    }
}

fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Password => "das Passwort",
        Kind::Totp => "die Authenticator-App",
        Kind::Passkey => "einen Passkey",
        Kind::SecurityKey => "einen Sicherheitsschlüssel",
        Kind::Recovery => "die Wiederherstellungscodes",
    }
}

/// After "Nach".
fn span_dative(span: Seconds) -> String {
    match span.in_words() {
        (1, Unit::Day) => "1 Tag".into(),
        (1, unit) => format!("1 {}", one(unit)),
        (count, unit) => format!("{count} {}", several_dative(unit)),
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
