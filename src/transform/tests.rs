//! What values become, exactly. The tokens here were computed by another program, in another language, from the
//! description of [`super`]: if one changes, every token that is stored somewhere is no token any more.

use forgetd_connector::{Cause, Grain, Put, Shape, Value};

use super::treat::{Became, treat};
use super::{CheckDigit, Holder, TokenKind, Treatment, bits, collision_odds, epoch_shape, length, put, samples, shape};
use crate::keys::{DomainKeys, Keyring, PseudonymKey};

const LUHN: TokenKind = TokenKind::Digits { check: Some(CheckDigit::Luhn) };
const DIGITS: TokenKind = TokenKind::Digits { check: None };
const INTEGER: TokenKind = TokenKind::Integer { max: None };
const SHORT: Holder = Holder::Integer { max: 32_767 };

const TEXT_TOKEN: &str = "fg1cl636ghynts6ulu65vt6xdr";
const EMAIL_TOKEN: &str = "fg1cl6zsdnn6roabkbycrehmxi@pseudonym.invalid";
const UUID_TOKEN: &str = "c131da56-c1d0-8f91-919a-d37897ec26a5";

fn key(token: Option<u8>) -> PseudonymKey {
    PseudonymKey::new("k1", "people", token.map(|byte| [byte; 32]).as_ref(), &[9; 32])
}

fn ring(keys: Vec<PseudonymKey>, active: Option<usize>) -> Keyring {
    Keyring::new([("people".to_owned(), DomainKeys::new(keys, active))])
}

fn usual() -> Keyring {
    ring(vec![key(Some(7))], Some(0))
}

fn pseudonymize(kind: TokenKind) -> Treatment {
    Treatment::Pseudonymize { kind, domain: "people".into() }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// What a text in a text column becomes.
fn became(keys: &Keyring, kind: TokenKind, old: &str) -> Became {
    treat(&pseudonymize(kind), Holder::Text, keys, &text(old))
}

#[test]
fn tokens_are_those_of_the_description() {
    let cases = [
        (TokenKind::Text, "Anna Åström", TEXT_TOKEN),
        (TokenKind::Text, "\t Anna A\u{30a}stro\u{308}m ", TEXT_TOKEN),
        (TokenKind::Email, "Anna@Example.com", EMAIL_TOKEN),
        (TokenKind::Email, " ANNA@EXAMPLE.COM", EMAIL_TOKEN),
        (TokenKind::Uuid, "0190163d-8694-739b-aea5-966c26f8ad91", UUID_TOKEN),
        (TokenKind::Uuid, "{0190163D8694739BAEA5966C26F8AD91}", UUID_TOKEN),
        (TokenKind::Ip, "192.0.2.77", "240.85.14.35"),
        (TokenKind::Ip, "::ffff:192.0.2.77", "240.85.14.35"),
        (TokenKind::Ip, "192.0.2.77/24", "240.85.14.35"),
        (TokenKind::Ip, "fe80:0::1", "2001:db8:5248:6286:6732:f2e1:2089:e8c8"),
        (TokenKind::Phone, "+46 70-123 45 67", "+54866327801"),
        (TokenKind::Phone, "(+46)701234567", "+54866327801"),
        (TokenKind::Phone, "070-123 45 67", "0043452892"),
        (TokenKind::Phone, "111111111111111111111111111111", "368650621635507354864651230226"),
        (LUHN, "4111 1111 1111 1111", "9217 0394 9027 9781"),
        (DIGITS, "AB-1234/56", "AB-5487/52"),
        (INTEGER, "0042", "111169919"),
    ];
    let keys = usual();
    for (kind, old, token) in cases {
        assert_eq!(became(&keys, kind, old), Became::New(text(token)), "{} {old}", kind.word());
    }
    assert_eq!(treat(&pseudonymize(INTEGER), SHORT, &keys, &Value::Int(42)), Became::New(Value::Int(28_186)));
}

#[test]
fn what_is_done_stays() {
    let keys = usual();
    for (kind, done) in [
        (TokenKind::Text, TEXT_TOKEN),
        (TokenKind::Email, EMAIL_TOKEN),
        (TokenKind::Uuid, UUID_TOKEN),
        (TokenKind::Ip, "240.85.14.35"),
        (TokenKind::Ip, "2001:db8::1"),
        (TokenKind::Text, ""),
        (TokenKind::Email, ""),
        (TokenKind::Uuid, ""),
        (TokenKind::Ip, ""),
        (TokenKind::Phone, ""),
        (DIGITS, ""),
        (INTEGER, ""),
    ] {
        assert_eq!(became(&keys, kind, done), Became::Same, "{} {done}", kind.word());
    }
    for kind in [TokenKind::Text, TokenKind::Email, TokenKind::Uuid, TokenKind::Ip, TokenKind::Phone, DIGITS, INTEGER] {
        assert_eq!(treat(&pseudonymize(kind), Holder::Text, &keys, &Value::Null), Became::Same, "{}", kind.word());
    }
}

#[test]
fn a_token_in_another_form_is_brought_into_its_own() {
    let keys = usual();
    for (kind, old, token) in [
        (TokenKind::Text, format!(" {}", TEXT_TOKEN.to_uppercase()), TEXT_TOKEN),
        (TokenKind::Email, format!("{} ", EMAIL_TOKEN.to_uppercase()), EMAIL_TOKEN),
        (TokenKind::Uuid, UUID_TOKEN.replace('-', "").to_uppercase(), UUID_TOKEN),
        (TokenKind::Ip, "240.85.14.35/32".to_owned(), "240.85.14.35"),
        (TokenKind::Text, "  ".to_owned(), ""),
        (TokenKind::Email, "\n".to_owned(), ""),
    ] {
        assert_eq!(became(&keys, kind, &old), Became::New(text(token)), "{} {old}", kind.word());
    }
}

#[test]
fn what_only_looks_like_a_token_is_made_into_one() {
    let keys = usual();
    let other_domain = Keyring::new([(
        "people".to_owned(),
        DomainKeys::new(vec![PseudonymKey::new("k1", "leads", Some(&[7; 32]), &[9; 32])], Some(0)),
    )]);
    for (kind, token) in [(TokenKind::Text, TEXT_TOKEN), (TokenKind::Email, EMAIL_TOKEN), (TokenKind::Uuid, UUID_TOKEN)]
    {
        for (at, c) in token.char_indices() {
            let mut faked = token.to_owned();
            faked.replace_range(at..=at, if c == 'a' { "b" } else { "a" });
            match became(&keys, kind, &faked) {
                Became::New(Value::Text(new)) => assert_ne!(new, faked),
                other => panic!("{} {faked}: {other:?}", kind.word()),
            }
        }
        assert!(matches!(became(&other_domain, kind, token), Became::New(_)), "{}", kind.word());
    }
    // Neither is one kind's token the other's.
    assert!(matches!(became(&keys, TokenKind::Text, EMAIL_TOKEN), Became::New(_)));
    assert!(matches!(became(&keys, TokenKind::Email, TEXT_TOKEN), Became::New(_)));
    let borrowed = format!("{TEXT_TOKEN}@pseudonym.invalid");
    assert!(matches!(became(&keys, TokenKind::Email, &borrowed), Became::New(_)));
}

#[test]
fn tokens_of_old_and_destroyed_keys_stay_and_new_ones_are_made_with_the_active_key() {
    let new = || PseudonymKey::new("k2", "people", Some(&[8; 32]), &[10; 32]);
    for old in [Some(7), None] {
        let keys = ring(vec![key(old), new()], Some(1));
        for (kind, token) in
            [(TokenKind::Text, TEXT_TOKEN), (TokenKind::Email, EMAIL_TOKEN), (TokenKind::Uuid, UUID_TOKEN)]
        {
            assert_eq!(became(&keys, kind, token), Became::Same, "{}", kind.word());
        }
        let Became::New(Value::Text(token)) = became(&keys, TokenKind::Text, "Anna Åström") else {
            panic!("no token")
        };
        assert_ne!(token[3..6], TEXT_TOKEN[3..6]);
        assert_eq!(became(&keys, TokenKind::Text, &token), Became::Same);
    }
    // Another key's check does not know it.
    let keys = ring(vec![new()], Some(0));
    assert!(matches!(became(&keys, TokenKind::Text, TEXT_TOKEN), Became::New(_)));
}

#[test]
fn without_a_key_nothing_is_made() {
    for keys in [ring(vec![key(None)], Some(0)), ring(vec![key(Some(7))], None), Keyring::default()] {
        for kind in [TokenKind::Text, TokenKind::Email, TokenKind::Uuid, TokenKind::Ip] {
            assert_eq!(became(&keys, kind, "x"), Became::Unfit(Cause::PseudonymKey), "{}", kind.word());
        }
        for kind in [TokenKind::Phone, DIGITS, INTEGER] {
            assert_eq!(became(&keys, kind, "1234567"), Became::Unfit(Cause::PseudonymKey), "{}", kind.word());
        }
    }
    assert_eq!(became(&ring(vec![key(None)], Some(0)), TokenKind::Text, TEXT_TOKEN), Became::Same);
}

#[test]
fn values_that_are_no_such_thing_are_unfit() {
    let keys = usual();
    for (kind, old) in [
        (TokenKind::Phone, text("12345")),
        (TokenKind::Phone, text("unknown")),
        (DIGITS, text("123")),
        (INTEGER, text("many")),
        (INTEGER, Value::Real(1.5)),
        (TokenKind::Text, Value::Bytes(vec![1, 2])),
    ] {
        let became = treat(&pseudonymize(kind), Holder::Text, &keys, &old);
        assert_eq!(became, Became::Unfit(Cause::ValueUnfit), "{} {old:?}", kind.word());
    }
    // A text that is none of its kind still says something about somebody.
    for (kind, old) in [(TokenKind::Email, "anna"), (TokenKind::Ip, "10.0.0.1, 10.0.0.2"), (TokenKind::Uuid, "1")] {
        assert!(matches!(became(&keys, kind, old), Became::New(_)), "{} {old}", kind.word());
    }
}

#[test]
fn numbers_stay_numbers_of_their_length() {
    let keys = usual();
    for old in [1_000_i64, -123_456, 999_999_999_999] {
        let Became::New(Value::Int(new)) = treat(&pseudonymize(DIGITS), Holder::Other, &keys, &Value::Int(old)) else {
            panic!("no number for {old}");
        };
        assert_eq!(new.to_string().len(), old.to_string().len());
    }
    assert!(matches!(
        treat(&pseudonymize(TokenKind::Text), Holder::Text, &keys, &Value::Int(7)),
        Became::New(Value::Text(_))
    ));
    let same = |holder| treat(&pseudonymize(INTEGER), holder, &keys, &Value::Int(1));
    assert_ne!(same(SHORT), same(Holder::Integer { max: i64::MAX }));
    let one = pseudonymize(TokenKind::Integer { max: Some(1) });
    assert_eq!(treat(&one, SHORT, &keys, &Value::Int(77)), Became::New(Value::Int(1)));
}

#[test]
fn networks_of_texts() {
    let treatment = Treatment::Generalize(Grain::Network { v4: 24, v6: 48 });
    let keys = Keyring::default();
    for (old, new) in [
        (text("192.0.2.77"), Became::New(text("192.0.2.0/24"))),
        (text("192.0.2.0/24"), Became::Same),
        (text("2001:db8:1::/48"), Became::Same),
        (text("10.0.0.0/8"), Became::Same),
        (text(""), Became::Same),
        (text(" "), Became::New(text(""))),
        (text("host"), Became::Unfit(Cause::ValueUnfit)),
        (Value::Null, Became::Same),
    ] {
        assert_eq!(treat(&treatment, Holder::Text, &keys, &old), new, "{old:?}");
    }
}

/// `%` is any text, `_` any one character.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'%', rest)) => (0..=text.len()).any(|skip| is_like(&text[skip..], rest)),
        Some((c, rest)) => text.first().is_some_and(|first| *c == b'_' || first == c) && is_like(&text[1..], rest),
    }
}

#[test]
fn what_is_written_has_the_shape_and_the_length_that_were_promised() {
    let network = |v4, v6| Treatment::Generalize(Grain::Network { v4, v6 });
    let tokens = [TokenKind::Text, TokenKind::Email, TokenKind::Uuid, TokenKind::Ip].map(pseudonymize);
    let keys = usual();
    let olds = ["Anna", "a@b.se", "192.0.2.77", "10.1.2.0/23", "10.0.0.0/7", "fe80::1", "fe80::/9", "1", "", " "];
    let mut seen = 0;
    for treatment in tokens.into_iter().chain([network(24, 48), network(0, 0), network(32, 128), network(17, 33)]) {
        let Some(Shape::Like(patterns)) = shape(&treatment, Holder::Text) else { panic!("no shape") };
        assert_eq!(put(&treatment, Holder::Text), Put::Computed);
        for old in olds {
            let new = match treat(&treatment, Holder::Text, &keys, &text(old)) {
                Became::New(Value::Text(new)) => new,
                Became::Same => old.to_owned(),
                _ => continue,
            };
            seen += 1;
            assert!(patterns.iter().any(|pattern| is_like(new.as_bytes(), pattern.as_bytes())), "{new}: {patterns:?}");
            assert_eq!(treat(&treatment, Holder::Text, &keys, &text(&new)), Became::Same, "{new}");
            if let Treatment::Pseudonymize { kind, .. } = treatment {
                assert!(length(kind).is_some_and(|chars| new.len() <= chars), "{new}");
            }
        }
        // A whole address is never taken for a network, whatever the other family's length is.
        for raw in ["192.0.2.77", "fe80::1"] {
            assert!(!patterns.iter().any(|pattern| is_like(raw.as_bytes(), pattern.as_bytes())), "{raw}: {patterns:?}");
        }
    }
    assert!(seen > 50);
}

#[test]
fn the_key_that_made_a_token_shows() {
    let made = |id: &str| PseudonymKey::new(id, "people", Some(&[7; 32]), &[9; 32]);
    for kind in [TokenKind::Text, TokenKind::Email, TokenKind::Uuid] {
        for n in 0..40 {
            let (key, other) = (made(&format!("k{n}")), made(&format!("other{n}")));
            let (epoch, other) = (key.epoch(), other.epoch());
            let Became::New(Value::Text(token)) = became(&ring(vec![key], Some(0)), kind, &n.to_string()) else {
                panic!("no token")
            };
            let like = |epoch| {
                let Some(Shape::Like(patterns)) = epoch_shape(kind, epoch) else { panic!("no shape") };
                patterns.iter().any(|pattern| is_like(token.as_bytes(), pattern.as_bytes()))
            };
            assert!(like(epoch) && !like(other), "{token}");
            if kind != TokenKind::Uuid {
                assert!(token.starts_with(&format!("fg1{epoch}")), "{token}");
            }
        }
    }
    assert_eq!(epoch_shape(TokenKind::Phone, made("k1").epoch()), None);
}

#[test]
fn who_does_it_and_how_it_shows() {
    let redact = |value| Treatment::Redact(value);
    let network = || Treatment::Generalize(Grain::Network { v4: 24, v6: 48 });
    for (treatment, holder, by, shown) in [
        (redact(Value::Null), Holder::Text, Put::Constant(Value::Null), Some(Shape::Nothing)),
        (redact(text("x")), Holder::Text, Put::Constant(text("x")), Some(Shape::Constant(text("x")))),
        (redact(text("x")), Holder::Json, Put::Computed, Some(Shape::Constant(text("x")))),
        (Treatment::Generalize(Grain::Year), Holder::Time, Put::Coarser(Grain::Year), Some(Shape::Coarse(Grain::Year))),
        (
            network(),
            Holder::Address,
            Put::Coarser(Grain::Network { v4: 24, v6: 48 }),
            Some(Shape::Coarse(Grain::Network { v4: 24, v6: 48 })),
        ),
        (network(), Holder::Json, Put::Computed, None),
        (pseudonymize(TokenKind::Phone), Holder::Text, Put::Computed, None),
        (pseudonymize(LUHN), Holder::Text, Put::Computed, None),
        (pseudonymize(INTEGER), SHORT, Put::Computed, None),
        (
            pseudonymize(TokenKind::Uuid),
            Holder::Uuid,
            Put::Computed,
            Some(Shape::Like(vec!["________-____-8f91-____-____________".into()])),
        ),
    ] {
        assert_eq!(put(&treatment, holder), by, "{treatment:?}");
        assert_eq!(shape(&treatment, holder), shown, "{treatment:?}");
    }
}

#[test]
fn samples_are_such_as_will_be_written() {
    let lengths = |treatment: &Treatment, holder| {
        let samples = samples(treatment, holder);
        samples.iter().map(|sample| sample.canonical_text().len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths(&pseudonymize(TokenKind::Text), Holder::Text), [26]);
    assert_eq!(lengths(&pseudonymize(TokenKind::Email), Holder::Text), [44]);
    assert_eq!(lengths(&pseudonymize(TokenKind::Uuid), Holder::Uuid), [36]);
    assert_eq!(lengths(&pseudonymize(TokenKind::Ip), Holder::Address).len(), 2);
    assert_eq!(samples(&pseudonymize(INTEGER), SHORT), [Value::Int(1), Value::Int(32_767)]);
    assert_eq!(samples(&Treatment::Redact(text("x")), Holder::Text), [text("x")]);
    let network = Treatment::Generalize(Grain::Network { v4: 24, v6: 48 });
    assert_eq!(samples(&network, Holder::Text), [text("192.0.2.0/24"), text("2001:db8:1::/48")]);
    for treatment in [pseudonymize(TokenKind::Phone), pseudonymize(DIGITS), Treatment::Redact(Value::Null)] {
        assert_eq!(samples(&treatment, Holder::Text), []);
    }
}

#[test]
fn odds_follow_rows_and_bits() {
    let near = |odds: f64, expected: f64| assert!((odds / expected - 1.0).abs() < 0.01, "{odds} is not {expected}");
    near(collision_odds(1_000_000, 80.0), 4.1e-13);
    near(collision_odds(1_000_000, 40.0), 0.4547);
    near(collision_odds(1_000_000, 20.0), 1.0);
    near(bits(INTEGER, SHORT).unwrap(), 15.0);
    near(bits(TokenKind::Integer { max: Some(1 << 20) }, Holder::Json).unwrap(), 20.0);
    assert_eq!(bits(TokenKind::Phone, Holder::Text), None);
}
