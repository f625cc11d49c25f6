//! Time-based one-time codes (RFC 6238): SHA-1, six digits, 30 seconds, one step of tolerance. The one home of totp-rs.
//! That a step counts once is the store's business; which step a code belongs to is found here.

use crate::base::entropy::Entropy;
use crate::base::entropy::random;
use crate::base::time::Time;
use std::fmt;
use subtle::ConstantTimeEq;
use totp_rs::Algorithm;
use totp_rs::Builder;
use totp_rs::Totp;
use zeroize::Zeroizing;

/// 160 random bits that the user's authenticator shares. `Debug` is mute.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

/// Six ASCII digits.
pub struct Code(String);

const STEP: i64 = 30;
const DIGITS: usize = 6;

impl TotpSecret {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(random::<20>(entropy).to_vec()))
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Base 32 in groups, for who types it.
    pub fn as_typed(&self) -> String {
        let letters = self.generator(None, String::new()).map(|totp| totp.secret().to_base32());
        let letters = letters.unwrap_or_default();
        let groups = letters.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group));
        groups.collect::<Vec<_>>().join(" ")
    }

    /// The step whose code this is: the present one, the one before or the one after, if it is later than `spent`.
    pub fn matching_step(&self, code: &Code, now: Time, spent: i64) -> Option<i64> {
        let present = now.unix_seconds().div_euclid(STEP);
        let mut found = None;
        // All three are computed whatever matches, so that time tells nothing.
        for step in [present - 1, present, present + 1] {
            let expected = self.code_of_step(step)?;
            let matches: bool = expected.as_bytes().ct_eq(code.0.as_bytes()).into();
            if matches && step > spent {
                found = found.or(Some(step));
            }
        }
        found
    }

    /// The code that an authenticator shows at `now`.
    pub fn code_at(&self, now: Time) -> Option<String> {
        self.code_of_step(now.unix_seconds().div_euclid(STEP))
    }

    /// The `otpauth://` URI that authenticators read.
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> Option<String> {
        // The label separates issuer and account by a colon, so neither may hold one.
        let clean = |text: &str| text.replace(':', " ");
        self.generator(Some(clean(issuer)), clean(account)).and_then(|totp| totp.to_url().ok())
    }

    fn code_of_step(&self, step: i64) -> Option<String> {
        let seconds = u64::try_from(step.checked_mul(STEP)?).ok()?;
        Some(self.generator(None, String::new())?.generate(seconds).to_string())
    }

    fn generator(&self, issuer: Option<String>, account: String) -> Option<Totp> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS as u8)
            .with_step_duration(STEP as u64)
            .with_secret(self.0.to_vec())
            .with_issuer(issuer)
            .with_account_name(account)
            .build()
            .ok()
    }
}

impl Code {
    /// Six digits, as typed: spaces and hyphens are let through, digits of other scripts are not.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>();
        (digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then_some(Self(digits))
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SystemEntropy;

    #[test]
    fn the_vectors_of_rfc_6238_appendix_b_hold() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890".to_vec());
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code_at(Time::from_unix_seconds(seconds)).as_deref(), Some(code));
        }
    }

    #[test]
    fn a_code_counts_one_step_early_or_late_and_never_again() {
        let secret = TotpSecret::generate(&SystemEntropy);
        let step = 60_000_000;
        let at = |step: i64| Time::from_unix_seconds(step * 30 + 7);
        let code = Code::parse(&secret.code_at(at(step)).unwrap()).unwrap();
        for (now, spent, expected) in [
            (step, 0, Some(step)),
            (step + 1, 0, Some(step)),
            (step - 1, 0, Some(step)),
            (step + 2, 0, None),
            (step - 2, 0, None),
            (step, step, None),
            (step + 1, step, None),
        ] {
            assert_eq!(secret.matching_step(&code, at(now), spent), expected, "{now} {spent}");
        }
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        assert!(["123456", "123 456", " 123-456 "].iter().all(|text| Code::parse(text).is_some()));
        assert!(
            ["", "12345", "1234567", "12345a", "１２３４５６", "+12345"]
                .iter()
                .all(|t| Code::parse(t).is_none())
        );
    }

    #[test]
    fn an_authenticator_can_read_the_uri() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890".to_vec());
        let uri = secret.otpauth_uri("Acme: Login", "ada@example.com").unwrap();
        assert!(uri.starts_with("otpauth://totp/Acme%20%20Login:ada%40example.com?"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert_eq!(format!("{secret:?}"), "TotpSecret(…)");
    }
}
