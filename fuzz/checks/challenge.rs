//! Step-up challenges: what is read prints to a header that is read as the same, and what is printed is one line.

use stepgate_resource::challenge::Challenge;
use stepgate_resource::challenge::ERROR;

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    read(text);
    made(text);
}

/// The input as a header.
fn read(text: &str) {
    let Ok(Some(challenge)) = Challenge::parse(text) else { return };
    // RFC 9110 §5.6.4: whatever is escaped stands for itself.
    let plain = text.replace('\\', "");
    assert!(plain.to_ascii_lowercase().contains("bearer") && plain.contains(ERROR), "{text}");
    let printed = printed(&challenge);
    if printed.len() <= 8192 {
        assert_eq!(Challenge::parse(&printed), Ok(Some(challenge)), "{printed}");
    }
}

/// The lines of the input as what a resource server wants.
fn made(text: &str) {
    let mut lines = text.split('\n');
    let mut next = || lines.next().map(str::to_owned);
    let (description, scope) = (next(), next());
    let max_age = next().and_then(|text| text.parse().ok());
    let challenge = Challenge { description, acr_values: lines.map(str::to_owned).collect(), max_age, scope };
    let printed = printed(&challenge);
    if printed.len() > 8192 {
        return;
    }
    let read = Challenge::parse(&printed).unwrap().unwrap();
    let kept = |text: &String| text.chars().filter(|c| matches!(c, ' '..='~')).collect::<String>();
    assert_eq!(read.max_age, challenge.max_age);
    assert_eq!(read.description, challenge.description.as_ref().map(kept));
    assert_eq!(read.scope, challenge.scope.as_ref().map(kept));
    let wanted = challenge.acr_values.iter().map(kept).collect::<Vec<_>>().join(" ");
    assert_eq!(read.acr_values, wanted.split(' ').filter(|v| !v.is_empty()).collect::<Vec<_>>());
}

fn printed(challenge: &Challenge) -> String {
    let printed = challenge.to_string();
    assert!(printed.chars().all(|c| matches!(c, ' '..='~')), "{printed}");
    assert!(printed.starts_with(&format!("Bearer error=\"{ERROR}\"")), "{printed}");
    printed
}
