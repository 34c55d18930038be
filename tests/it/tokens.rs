//! Tokens of many values: none twice, no character more likely than another, nothing common between domains. The inputs
//! are the same in every run, so what passes once passes always.
#![allow(clippy::print_stdout, reason = "figures for who asks with --nocapture")]

use std::collections::HashSet;
use std::sync::Arc;

use forgetd::keys::{DomainKeys, Keyring, PseudonymKey};
use forgetd::transform::{Holder, KeyedTransform, TokenKind, Treated, Treatment};
use forgetd_connector::{NewRow, OldRow, Path, Transform as _, Value};

/// Values of each kind.
const SHORT: usize = 50_000;
const FULL: usize = 1_000_000;

/// Values in one call.
const BATCH: usize = 10_000;

/// The quantile 0.999999 of the standard normal distribution.
const Z: f64 = 4.753_424;

fn values() -> usize {
    if std::env::var_os("FORGETD_TEST_FULL").is_some() { FULL } else { SHORT }
}

/// Calls `see` with the token of each value, made in `domain`.
fn each_token(kind: TokenKind, domain: &str, old: fn(usize) -> String, mut see: impl FnMut(usize, &str)) {
    let key = PseudonymKey::new("k1", domain, Some(&[7; 32]), &[9; 32]);
    let keys = Keyring::new([(domain.to_owned(), DomainKeys::new(vec![key], Some(0)))]);
    let treatment = Treatment::Pseudonymize { kind, domain: domain.into() };
    let place = Treated { path: Path::column("c"), treatment, holder: Holder::Text };
    let transform = KeyedTransform::new([place], Arc::new(keys));
    for start in (0..values()).step_by(BATCH) {
        let rows: Vec<OldRow> = (start..(start + BATCH).min(values()))
            .map(|n| OldRow { values: vec![Value::Text(old(n))], marked: false })
            .collect();
        for (n, new) in transform.compute(&rows).into_iter().enumerate() {
            let NewRow::Values(values) = new else { panic!("{kind:?} of {}: {new:?}", start + n) };
            let [Value::Text(token)] = values.as_slice() else { panic!("{kind:?}: {values:?}") };
            see(start + n, token);
        }
    }
}

/// Counts of each character at each position.
struct Characters {
    alphabet: &'static str,
    counts: Vec<[u32; 128]>,
}

// === impl Characters ===

impl Characters {
    fn new(alphabet: &'static str, positions: usize) -> Self {
        Self { alphabet, counts: vec![[0; 128]; positions] }
    }

    fn count(&mut self, text: &str) {
        assert_eq!(text.len(), self.counts.len());
        for (counts, c) in self.counts.iter_mut().zip(text.bytes()) {
            counts[usize::from(c)] += 1;
        }
    }

    /// Every character of the alphabet is as likely as the others, at every position. Says the greatest chi-square.
    fn assert_uniform(&self, what: &str) {
        let degrees = self.alphabet.len() as f64 - 1.0;
        // Wilson and Hilferty: a chi-square's cube root is nearly normal.
        let bound = degrees * (1.0 - 2.0 / (9.0 * degrees) + Z * (2.0 / (9.0 * degrees)).sqrt()).powi(3);
        let mut greatest = 0.0_f64;
        for (at, counts) in self.counts.iter().enumerate() {
            let total: u32 = self.alphabet.bytes().map(|c| counts[usize::from(c)]).sum();
            assert_eq!(total, counts.iter().sum::<u32>(), "{what} at {at}: a character of another alphabet");
            let expected = f64::from(total) / self.alphabet.len() as f64;
            let square = |c: u8| (f64::from(counts[usize::from(c)]) - expected).powi(2) / expected;
            let chi_square: f64 = self.alphabet.bytes().map(square).sum();
            assert!(chi_square < bound, "{what} at {at}: chi-square {chi_square:.1}, at most {bound:.1}");
            greatest = greatest.max(chi_square);
        }
        println!("{what}: {} tokens, greatest chi-square {greatest:.1}, bound {bound:.1}", values());
    }
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz234567";
const HEX: &str = "0123456789abcdef";
const DECIMAL: &str = "0123456789";

#[test]
fn text_tokens_are_unique_uniform_and_domains_unlinkable() {
    let mut seen = HashSet::with_capacity(values());
    let mut characters = Characters::new(LETTERS, 20);
    let mut ours = Vec::with_capacity(values());
    each_token(
        TokenKind::Text,
        "people",
        |n| format!("person {n}"),
        |_, token| {
            assert_eq!(token.len(), 26);
            // Body and check; the epoch is the same in all.
            characters.count(&token[6..]);
            let body: [u8; 16] = token.as_bytes()[6..22].try_into().unwrap();
            assert!(seen.insert(body), "a token came twice");
            ours.push(body);
        },
    );
    characters.assert_uniform("text");
    let mut alike = 0_u32;
    each_token(
        TokenKind::Text,
        "leads",
        |n| format!("person {n}"),
        |n, token| {
            let body: [u8; 16] = token.as_bytes()[6..22].try_into().unwrap();
            assert!(!seen.contains(&body), "two domains have a token in common");
            alike += body.iter().zip(ours[n]).filter(|(a, b)| **a == *b).count() as u32;
        },
    );
    // Tokens of one value in two domains agree as often as any two: in one of 32 characters.
    let pairs = values() as f64 * 16.0;
    let deviation = (f64::from(alike) - pairs / 32.0) / (pairs * 31.0 / 1024.0).sqrt();
    assert!(deviation.abs() < Z, "{deviation:.1} standard deviations from chance");
    println!("domains: {deviation:.2} standard deviations from chance");
}

#[test]
fn uuid_tokens_are_unique_uniform_and_of_version_8() {
    let mut seen = HashSet::with_capacity(values());
    // Body in the first two groups, check at the end.
    let mut characters = Characters::new(HEX, 17);
    each_token(
        TokenKind::Uuid,
        "people",
        |n| format!("00000000-0000-4000-8000-{n:012x}"),
        |_, token| {
            assert_eq!(&token[14..18], "8f91");
            assert!(matches!(token.as_bytes()[19], b'8'..=b'b'), "{token}: another variant");
            characters.count(&format!("{}{}{}", &token[..8], &token[9..13], &token[31..]));
            assert!(seen.insert(token.replace('-', "")), "a token came twice");
        },
    );
    characters.assert_uniform("uuid");
}

#[test]
fn digits_of_tokens_are_uniform() {
    let mut phone = Characters::new(DECIMAL, 9);
    each_token(
        TokenKind::Phone,
        "people",
        |n| format!("+467{n:07}"),
        |_, token| {
            assert!(token.starts_with('+') && !token.starts_with("+0"));
            phone.count(&token[2..]);
        },
    );
    phone.assert_uniform("phone");
    let mut card = Characters::new(DECIMAL, 16);
    let luhn = TokenKind::Digits { check: Some(forgetd::transform::CheckDigit::Luhn) };
    each_token(
        luhn,
        "people",
        |n| format!("4111{n:012}"),
        |_, token| {
            let doubled = |(at, c): (usize, u8)| {
                let digit = u32::from(c - b'0') * (1 + at as u32 % 2);
                digit / 10 + digit % 10
            };
            let sum: u32 = token.bytes().rev().enumerate().map(doubled).sum();
            assert_eq!(sum % 10, 0, "{token}: no check digit");
            card.count(token);
        },
    );
    card.assert_uniform("digits");
    let mut integer = Characters::new(DECIMAL, 2);
    each_token(
        TokenKind::Integer { max: Some(100_000) },
        "people",
        |n| n.to_string(),
        |_, token| {
            let number: u32 = token.parse().unwrap();
            assert!((1..=100_000).contains(&number));
            let (high, low) = ((number - 1) / 10_000, (number - 1) % 10);
            integer.count(&format!("{high}{low}"));
        },
    );
    integer.assert_uniform("integer");
}
