//! Codes from authenticator apps (RFC 6238): checked, drawn and shown for enrolment.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::{Choice, ConstantTimeEq};

use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::secret::Secret;
use crate::model::credential::{Totp, TotpAlgorithm, TotpRecipe};

/// Steps before and after the current one whose codes are accepted: what is typed takes time to arrive.
const TOLERANCE: i64 = 1;
/// Steps within which a code that comes too early or too late is recognised, to say "your clock is wrong".
const HORIZON: i64 = 20;
/// RFC 4226 demands 128 bits; the upper bound is the block of SHA-512.
const SEED_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCheck {
    /// Right. It counts only if the store burns `step` in the same transaction.
    Accepted {
        /// The step the code belongs to.
        step: u64,
    },
    /// It was right once, and has been used: a new one shows after `wait`.
    Used {
        /// Until the next code that can be accepted.
        wait: Duration,
    },
    /// Right for another time: one of the two clocks is wrong.
    Drift {
        /// How far the authenticator's clock is ahead (negative: behind).
        seconds: i64,
        /// A step still to come, which must be burnt: the code has been typed, and would be accepted later.
        burn: Option<u64>,
    },
    /// None of these.
    Wrong,
}

/// Checks what was typed for a code. Spaces are ignored ("123 456"). All codes within the horizon are computed and
/// compared whatever is found, so the time taken tells nothing.
pub fn check(totp: &Totp, code: &str, now: Timestamp) -> CodeCheck {
    let (Some(generator), Some(typed)) = (generator(totp), digits(code, totp.recipe.digits)) else { return CodeCheck::Wrong };
    let current = step_at(totp.recipe, now);
    let matches: Vec<i64> = nearest_first()
        .filter(|offset| {
            let step = current.checked_add_signed(*offset);
            let code = generator.generate(step.unwrap_or(0).saturating_mul(totp.recipe.period)).to_string();
            bool::from(code.as_bytes().ct_eq(&typed) & Choice::from(u8::from(step.is_some())))
        })
        .collect();
    judge(totp, current, &matches, now)
}

/// Offsets in the order in which a match is believed: the current step, the previous, the next, then outwards.
fn nearest_first() -> impl Iterator<Item = i64> {
    std::iter::once(0).chain((1..=HORIZON).flat_map(|distance| [-distance, distance]))
}

fn judge(totp: &Totp, current: u64, matches: &[i64], now: Timestamp) -> CodeCheck {
    let step = |offset: &i64| current.saturating_add_signed(*offset);
    let near = |offset: &&i64| offset.abs() <= TOLERANCE;
    if let Some(offset) = matches.iter().filter(near).find(|offset| step(offset) > totp.last_step) {
        return CodeCheck::Accepted { step: step(offset) };
    }
    let Some(offset) = matches.first() else { return CodeCheck::Wrong };
    if near(&offset) {
        return CodeCheck::Used { wait: until_step(totp, totp.last_step.saturating_add(1), now) };
    }
    let seconds = offset.saturating_mul(i64::try_from(totp.recipe.period).unwrap_or(i64::MAX));
    let burn = Some(step(offset)).filter(|step| *offset > 0 && *step > totp.last_step);
    CodeCheck::Drift { seconds, burn }
}

/// The code that an authenticator shows at `at`; empty for a recipe or seed that RFC 6238 does not know.
pub fn code_at(totp: &Totp, at: Timestamp) -> String {
    let seconds = step_at(totp.recipe, at).saturating_mul(totp.recipe.period);
    generator(totp).map(|generator| generator.generate(seconds).to_string()).unwrap_or_default()
}

/// A fresh seed, as long as the output of the hash (RFC 6238, section 5.1).
pub fn draw_seed(algorithm: TotpAlgorithm, entropy: Entropy) -> Secret<Vec<u8>> {
    Secret::new(match algorithm {
        TotpAlgorithm::Sha1 => entropy.bytes::<20>().to_vec(),
        TotpAlgorithm::Sha256 => entropy.bytes::<32>().to_vec(),
        TotpAlgorithm::Sha512 => entropy.bytes::<64>().to_vec(),
    })
}

/// The `otpauth://` URI that is shown as a QR code. Every parameter is spelt out, defaults too, and a colon in a name is
/// dropped because the label uses it as its separator; `totp_rs` omits the former and refuses the latter.
pub fn uri(issuer: &str, name: &str, recipe: &TotpRecipe, seed: &Secret<Vec<u8>>) -> Secret<String> {
    let written = |text: &str| utf8_percent_encode(&text.replace(':', ""), NON_ALPHANUMERIC).to_string();
    let (issuer, name, secret) = (written(issuer), written(name), Secret::new(BASE32_NOPAD.encode(seed.expose())));
    Secret::new(format!(
        "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&algorithm={}&digits={}&period={}",
        secret.expose(),
        recipe.algorithm.name(),
        recipe.digits,
        recipe.period,
    ))
}

/// The seed as people type it: base32 in groups of four.
pub fn key_in_groups(seed: &Secret<Vec<u8>>) -> Secret<String> {
    let key = Secret::new(BASE32_NOPAD.encode(seed.expose()));
    let groups: Vec<&str> = key.expose().as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Secret::new(groups.join(" "))
}

/// Reads a seed written in base32; letter case, spaces, hyphens and padding do not matter. `None` for other text and for
/// seeds below 128 bits.
pub fn parse_seed(text: &str) -> Option<Secret<Vec<u8>>> {
    if text.len() > 1024 {
        return None;
    }
    let bare: String = text.trim().trim_end_matches('=').chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let bare = Secret::new(bare.to_ascii_uppercase());
    let seed = Secret::new(BASE32_NOPAD.decode(bare.expose().as_bytes()).ok()?);
    SEED_BYTES.contains(&seed.expose().len()).then_some(seed)
}

/// The step that `now` lies in.
fn step_at(recipe: TotpRecipe, now: Timestamp) -> u64 {
    u64::try_from(now.secs()).unwrap_or(0) / recipe.period.max(1)
}

fn until_step(totp: &Totp, step: u64, now: Timestamp) -> Duration {
    let begins = i64::try_from(step.saturating_mul(totp.recipe.period)).unwrap_or(i64::MAX);
    Timestamp::from_secs(begins).since(now)
}

/// Exactly `wanted` digits, spaces aside.
fn digits(code: &str, wanted: u32) -> Option<Vec<u8>> {
    if code.len() > 64 {
        return None;
    }
    let digits: Vec<u8> = code.bytes().filter(|byte| *byte != b' ').collect();
    (digits.len() == wanted as usize && digits.iter().all(u8::is_ascii_digit)).then_some(digits)
}

fn generator(totp: &Totp) -> Option<totp_rs::Totp> {
    let algorithm = match totp.recipe.algorithm {
        TotpAlgorithm::Sha1 => totp_rs::Algorithm::SHA1,
        TotpAlgorithm::Sha256 => totp_rs::Algorithm::SHA256,
        TotpAlgorithm::Sha512 => totp_rs::Algorithm::SHA512,
    };
    totp_rs::Builder::new()
        .with_algorithm(algorithm)
        .with_digits(u8::try_from(totp.recipe.digits).ok()?)
        .with_step_duration(totp.recipe.period)
        .with_secret(totp_rs::Secret::from(totp.seed.expose().as_slice()))
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Id;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_010);

    fn totp(algorithm: TotpAlgorithm, digits: u32, seed: &[u8]) -> Totp {
        let recipe = TotpRecipe { algorithm, digits, period: 30 };
        Totp { id: Id::draw(Entropy), recipe, seed: Secret::new(seed.to_vec()), last_step: 0, created_at: NOW }
    }

    fn plain() -> Totp {
        totp(TotpAlgorithm::Sha1, 6, b"12345678901234567890")
    }

    fn step() -> u64 {
        step_at(TotpRecipe::default(), NOW)
    }

    fn shifted(seconds: i64) -> Timestamp {
        Timestamp::from_secs(NOW.secs() + seconds)
    }

    #[test]
    fn the_vectors_of_rfc_6238() {
        let seed = |length: usize| "1234567890".bytes().cycle().take(length).collect::<Vec<_>>();
        let times = [59, 1_111_111_109, 1_111_111_111, 1_234_567_890, 2_000_000_000, 20_000_000_000];
        for (algorithm, length, codes) in [
            (TotpAlgorithm::Sha1, 20, ["94287082", "07081804", "14050471", "89005924", "69279037", "65353130"]),
            (TotpAlgorithm::Sha256, 32, ["46119246", "68084774", "67062674", "91819424", "90698825", "77737706"]),
            (TotpAlgorithm::Sha512, 64, ["90693936", "25091201", "99943326", "93441116", "38618901", "47863826"]),
        ] {
            let totp = totp(algorithm, 8, &seed(length));
            for (time, code) in times.into_iter().zip(codes) {
                let now = Timestamp::from_secs(time);
                assert_eq!(code_at(&totp, now), code, "{algorithm:?} {time}");
                assert_eq!(check(&totp, code, now), CodeCheck::Accepted { step: time as u64 / 30 });
            }
        }
    }

    #[test]
    fn the_step_before_and_after_are_accepted_and_no_more() {
        let totp = plain();
        for (seconds, offset) in [(-30, -1), (0, 0), (30, 1)] {
            let code = code_at(&totp, shifted(seconds));
            assert_eq!(check(&totp, &code, NOW), CodeCheck::Accepted { step: step().saturating_add_signed(offset) });
        }
        assert_eq!(check(&totp, &code_at(&totp, shifted(-60)), NOW), CodeCheck::Drift { seconds: -60, burn: None });
        let ahead = CodeCheck::Drift { seconds: 300, burn: Some(step() + 10) };
        assert_eq!(check(&totp, &code_at(&totp, shifted(300)), NOW), ahead);
        assert!(matches!(check(&totp, &code_at(&totp, shifted(600)), NOW), CodeCheck::Drift { seconds: 600, .. }));
        assert_eq!(check(&totp, &code_at(&totp, shifted(630)), NOW), CodeCheck::Wrong);
        assert_eq!(check(&totp, &code_at(&totp, shifted(-630)), NOW), CodeCheck::Wrong);
    }

    /// The attack: a code read over somebody's shoulder is used again within its minute and a half.
    #[test]
    fn a_used_code_and_all_before_it_are_refused() {
        let mut totp = plain();
        totp.last_step = step();
        let wait = Duration::from_secs(30 - NOW.secs() as u64 % 30);
        assert_eq!(check(&totp, &code_at(&totp, NOW), NOW), CodeCheck::Used { wait });
        assert_eq!(check(&totp, &code_at(&totp, shifted(-30)), NOW), CodeCheck::Used { wait });
        assert_eq!(check(&totp, &code_at(&totp, shifted(30)), NOW), CodeCheck::Accepted { step: step() + 1 });
    }

    /// The attack: a code typed too early (its owner's clock is ahead) is read and saved for its time.
    #[test]
    fn a_code_from_the_future_is_burnt_once() {
        let mut totp = plain();
        let code = code_at(&totp, shifted(300));
        let CodeCheck::Drift { burn: Some(burnt), .. } = check(&totp, &code, NOW) else { unreachable!("ten steps ahead") };
        totp.last_step = burnt;
        assert_eq!(check(&totp, &code, NOW), CodeCheck::Drift { seconds: 300, burn: None });
        assert!(matches!(check(&totp, &code, shifted(300)), CodeCheck::Used { .. }));
    }

    #[test]
    fn spaces_are_ignored_and_everything_else_is_wrong() {
        let totp = plain();
        let code = code_at(&totp, NOW);
        assert!(matches!(check(&totp, &format!(" {} {} ", &code[..3], &code[3..]), NOW), CodeCheck::Accepted { .. }));
        let long = format!("{code}{}", " ".repeat(1000));
        let minus = format!("{}-{}", &code[..3], &code[3..]);
        for other in ["", "12345", "1234567", "+12345", "12345a", "１２３４５６", "\0\0\0\0\0\0", &minus, &long] {
            assert_eq!(check(&totp, other, NOW), CodeCheck::Wrong, "{other:?}");
        }
    }

    #[test]
    fn recipes_that_make_no_codes_accept_none() {
        for (digits, period, seed) in [(0, 30, 20), (6, 0, 20), (10, 30, 20), (300, 30, 20), (6, 30, 0), (6, 30, 15)] {
            let recipe = TotpRecipe { algorithm: TotpAlgorithm::Sha1, digits, period };
            let totp = Totp { recipe, seed: Secret::new(vec![1; seed]), ..plain() };
            assert_eq!(code_at(&totp, NOW), "");
            assert_eq!(check(&totp, "", NOW), CodeCheck::Wrong);
            assert_eq!(check(&totp, "000000", NOW), CodeCheck::Wrong);
        }
        let far = Totp { recipe: TotpRecipe { period: u64::MAX, ..TotpRecipe::default() }, ..plain() };
        check(&far, "000000", Timestamp::from_millis(i64::MAX));
        check(&plain(), "000000", Timestamp::from_millis(i64::MIN));
        check(&Totp { last_step: u64::MAX, ..plain() }, &code_at(&plain(), NOW), NOW);
    }

    #[test]
    fn the_uri_is_read_by_another_program_as_it_was_meant() {
        let recipe = TotpRecipe { algorithm: TotpAlgorithm::Sha256, digits: 8, period: 60 };
        let seed = draw_seed(recipe.algorithm, Entropy);
        let text = uri("Küche: Büro & Co", "alice+1@b", &recipe, &seed);
        let read = totp_rs::Totp::from_url(text.expose()).expect("a URI");
        assert_eq!((read.issuer(), read.account_name()), (Some("Küche Büro & Co"), "alice+1@b"));
        assert_eq!((read.digits(), read.step(), read.algorithm()), (8, 60, totp_rs::Algorithm::SHA256));
        assert_eq!(read.secret().as_bytes(), seed.expose().as_slice());
    }

    #[test]
    fn a_seed_is_read_back_as_it_was_shown() {
        for algorithm in [TotpAlgorithm::Sha1, TotpAlgorithm::Sha256, TotpAlgorithm::Sha512] {
            let seed = draw_seed(algorithm, Entropy);
            let shown = key_in_groups(&seed);
            assert!(shown.expose().split(' ').rev().skip(1).all(|group| group.len() == 4));
            for text in [shown.expose().clone(), shown.expose().to_lowercase(), shown.expose().replace(' ', "-") + "===="] {
                assert!(parse_seed(&text).expect("a seed").same_as(seed.expose()));
            }
        }
        // As simpleotp keeps it: what `pyotp.random_base32()` printed, with a line break.
        assert_eq!(parse_seed("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n").map(|seed| seed.expose().len()), Some(20));
        for text in ["", "ABCD", "ABCDEFGH18", "GEZDGNBVGY3TQOJQ", &"A".repeat(5000)] {
            assert!(parse_seed(text).is_none(), "{text}");
        }
    }
}
