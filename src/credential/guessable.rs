//! What is tried first against one person: their names, ours, and these again with a year or an exclamation mark behind them
//! (NIST SP 800-63B §5.1.1.2, "context-specific words").

/// Names, as they are compared: letters and digits, lower case.
#[derive(Clone, Default)]
pub struct Guessable {
    /// The longest first, so that no part hides the whole.
    words: Vec<String>,
}

const SHORTEST_WORD: usize = 3;
/// So much beside a name is decoration, if no more than two of it are letters.
const DECORATION: usize = 8;
const DECORATION_LETTERS: usize = 2;

impl Guessable {
    /// Of names and addresses; their parts count too.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = Vec::new();
        for name in names {
            let local = name.split('@').next().unwrap_or_default();
            words.extend([folded(name), folded(local)]);
            words.extend(name.split(|c: char| !c.is_alphanumeric()).map(folded));
        }
        words.retain(|word| word.chars().count() >= SHORTEST_WORD);
        words.sort_by(|one, other| (other.len(), one).cmp(&(one.len(), other)));
        words.dedup();
        Self { words }
    }

    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// Whether the password is made of these names, once or more, and of decoration.
pub fn is_guessable(password: &str, guessable: &Guessable) -> bool {
    let plain = folded(password);
    let words = guessable.words.iter();
    let unmasked = folded(&password.chars().map(unmasked).collect::<String>());
    is_made_of(&plain, words.clone().cloned())
        || is_made_of(&unmasked, words.map(|word| word.chars().map(self::unmasked).collect()))
}

/// Without what is neither letter nor digit, in lower case.
pub fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_made_of(text: &str, words: impl Iterator<Item = String>) -> bool {
    // What is taken out leaves a gap, over which nothing comes together.
    let rest = words.fold(text.to_owned(), |text, word| text.replace(&word, " "));
    let own = rest.chars().filter(|c| *c != ' ');
    let letters = own.clone().filter(|c| !c.is_numeric()).count();
    rest.contains(' ') && letters <= DECORATION_LETTERS && own.count() <= DECORATION
}

/// The letter that is meant.
fn unmasked(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_once_or_twice_with_decoration_is_guessable_and_a_name_among_other_words_is_not() {
        let guessable =
            Guessable::of(["ada.lovelace", "countess+math@example.org", "Acme Login", "id.acme.test"]);
        for password in [
            "ada.lovelace",
            "ada.lovelaceada.lovelace",
            "AdaAdaAda",
            "adaada!!",
            "Lovelace1815!",
            "lovelace-ada",
            "2026_ADA_2026",
            "my-lovelace",
            "l0v3l4c3",
            "countess99",
            "countess+math@example.org",
            "acmelogin1",
            "Acme Login 2026",
            "id.acme.test",
        ] {
            assert!(is_guessable(password, &guessable), "{password}");
        }
        for password in
            ["correct horse", "ada counts to nine", "lovelace and babbage", "acme makes anvils", "20261815"]
        {
            assert!(!is_guessable(password, &guessable), "{password}");
        }
        assert!(!is_guessable("anything", &Guessable::of(["", "a", "é", "@"])));
    }
}
