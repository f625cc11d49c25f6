//! The languages of the pages, and which of them somebody reads: tags of BCP 47 in `ui_locales` (OIDC Core §3.1.2.1)
//! and in `Accept-Language` (RFC 9110 §12.5.4). What is unknown or broken is passed over, never an error.

use serde::Deserialize;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[default]
    English,
    German,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The first that is known here of tags in their order of preference.
    pub fn of_ui_locales(tags: &str) -> Option<Self> {
        tags.split(' ').find_map(Self::of_tag)
    }

    /// The best that is known here; of equals, the first.
    pub fn of_accept_language(header: &str) -> Option<Self> {
        let ranges = header.split(',').filter_map(Range::parse).collect::<Vec<_>>();
        let is_named = |language: &Self| ranges.iter().any(|range| range.language == Some(*language));
        // RFC 4647 §3.3.1: `*` is what no other range names.
        let any = Self::ALL.into_iter().find(|language| !is_named(language));
        let wanted = ranges.iter().filter(|range| range.quality > 0);
        let wanted = wanted.filter_map(|range| Some((range.language.or(any)?, range.quality)));
        // The last of the greatest is taken.
        wanted.rev().max_by_key(|(_, quality)| *quality).map(|(language, _)| language)
    }

    /// RFC 4647 §3.4: a tag is looked up without its later parts. Some write `de_AT` (OIDC Core §5.1).
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

/// A part of `Accept-Language` that matters here.
struct Range {
    /// `None` for `*`.
    language: Option<Language>,
    /// In thousandths; zero is "not this one".
    quality: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (tag, weight) = text.split_once(';').unwrap_or((text, "q=1"));
        let (name, quality) = weight.split_once('=')?;
        let quality = name.trim().eq_ignore_ascii_case("q").then(|| thousandths(quality.trim()))??;
        match tag.trim() {
            "*" => Some(Self { language: None, quality }),
            tag => Some(Self { language: Some(Language::of_tag(tag)?), quality }),
        }
    }
}

/// RFC 9110 §12.4.2: 0 to 1, with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_sound = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let decimals = is_sound.then(|| format!("{decimals:0<3}"))?.parse::<u16>().ok()?;
    match (whole, decimals) {
        ("0", decimals) => Some(decimals),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Language::English;
    use super::Language::German;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_known_language_of_ui_locales_is_taken_by_its_primary_part() {
        for (tags, language) in [
            ("de", Some(German)),
            ("de-AT", Some(German)),
            ("DE-ch-1996", Some(German)),
            ("de_DE", Some(German)),
            ("fr-CA fr de en", Some(German)),
            ("en-GB de", Some(English)),
            ("fr  de", Some(German)),
            ("", None),
            (" ", None),
            ("fr", None),
            ("den", None),
            ("d", None),
            ("-de", None),
            ("de,en", None),
            ("*", None),
            ("<script>", None),
            ("ｄｅ", None),
        ] {
            assert_eq!(Language::of_ui_locales(tags), language, "{tags:?}");
        }
    }

    #[test]
    fn the_best_language_that_a_browser_accepts_is_taken() {
        for (header, language) in [
            ("de", Some(German)),
            ("de-AT", Some(German)),
            ("fr, de;q=0.8, en;q=0.5", Some(German)),
            ("en;q=0.5,de;q=0.8", Some(German)),
            ("en-US,en;q=0.9,de;q=0.8", Some(English)),
            ("de, en", Some(German)),
            ("en, de", Some(English)),
            ("de ; Q = 0.801 , en;q=0.8", Some(German)),
            ("de-AT;q=0.1, de;q=0.9, en;q=0.5", Some(German)),
            ("*", Some(English)),
            ("en;q=0, *;q=0.1", Some(German)),
            ("de;q=0.5, *", Some(English)),
            ("de;q=0.5, *;q=0.1", Some(German)),
            ("de;q=0", None),
            ("de;q=0, en;q=0, *", None),
            ("", None),
            (",,;,=,;q=,", None),
            ("fr", None),
            ("de;q=1.1, en;q=0.1", Some(English)),
            ("de;q=NaN", None),
            ("de;q=+1", None),
            ("de;q=0.+1", None),
            ("de;q=0.0001", None),
            ("de;level=1", None),
            ("de;q=1;q=0.5", None),
        ] {
            assert_eq!(Language::of_accept_language(header), language, "{header:?}");
        }
    }

    #[test]
    fn ten_kilobytes_of_anything_do_no_harm() {
        for piece in ["x", ",", ";", "de;q=0.", "-", "*,", "fr ", "ü", "de;q=9,"] {
            let long = piece.repeat(10_240 / piece.len());
            assert_ne!(Language::of_ui_locales(&long), Some(German), "{piece}");
            assert_ne!(Language::of_accept_language(&long), Some(German), "{piece}");
        }
        let late = format!("{}de", "fr,".repeat(3_400));
        assert_eq!(Language::of_accept_language(&late), Some(German));
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,100}") {
            let _ = (Language::of_ui_locales(&text), Language::of_accept_language(&text));
        }
    }
}
