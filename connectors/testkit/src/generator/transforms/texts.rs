//! Texts about somebody.

use std::collections::BTreeSet;

use crate::Cell;
use crate::generator::Dice;

/// Names: composed and decomposed, in other cases, with white space, and what looks like a token and is none.
pub(super) const NAMES: &[&str] = &[
    "Anna",
    "anna",
    " Anna ",
    "\u{c5}sa",
    "A\u{30a}sa",
    "\u{212b}sa",
    "\u{3000}x\n",
    "\u{1f600}\u{200d}\u{1f4bb}",
    "it's",
    "",
    " ",
    "NULL",
    "\u{130}stanbul \u{df}",
    "fg1aaaaaaaaaaaaaaaaaaaaaaa",
    "FG1AAAAAAAAAAAAAAAAAAAAAAA",
    "fg1aaaaaaaaaaaaaaaaaaaaaaaa",
    "fg1 and some more words ab",
    "%_\\",
    "a rather long name of somebody with more characters than any token has, so that it shows",
];

pub(super) const EMAILS: &[&str] = &[
    "anna@example.com",
    "Anna@Example.COM",
    " anna@example.com",
    "bo+tag@example.org",
    "\u{e5}@x.se",
    "a\u{30a}@x.se",
    "\u{1f600}@x.se",
    "no at sign",
    "",
    " \t",
    "fg1aaaaaaaaaaaaaaaaaaaaaaa@pseudonym.invalid",
    "FG1AAAAAAAAAAAAAAAAAAAAAAA@PSEUDONYM.INVALID",
    "fg1aaaaaaaaaaaaaaaaaaaaaaa@pseudonym.invalid ",
    "somebody@pseudonym.invalid",
];

pub(super) const PHONES: &[&str] = &[
    "+46 (0)70-123 45 67",
    "+460701234567",
    "070/123456",
    "tel: 112 112",
    "004670123456",
    "12345",
    "none",
    "",
    " ",
    "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}",
];

pub(super) const NUMBERS: &[&str] =
    &["4111 1111 1111 1111", "AB-1234-x", "19811218-9876", "0000", "123", "x", "", " ", "5500000000000004"];

pub(super) const ADDRESSES: &[&str] = &[
    "192.0.2.77",
    "192.0.2.78",
    " 192.0.2.77",
    "10.1.18.3/23",
    "10.0.0.0/8",
    "192.0.2.0/24",
    "192.0.2.9/24",
    "2001:DB8:1:2:3::9",
    "fe80::1",
    "fe80::/48",
    "2001:db8:0:0:1:0:0:1",
    "::ffff:192.0.2.77",
    "240.1.2.3",
    "255.255.255.255",
    "24.1.2.3",
    "localhost",
    "192.0.2.77:80",
    "192.0.2.77/33",
    "",
    " ",
];

/// Those that a type for addresses takes.
pub(super) const TYPED_ADDRESSES: &[&str] = &[
    "192.0.2.77",
    "192.0.2.78",
    "10.1.18.3/23",
    "10.0.0.0/8",
    "192.0.2.0/24",
    "192.0.2.9/24",
    "2001:db8:1:2:3::9",
    "fe80::1",
    "fe80::/48",
    "240.1.2.3",
    "255.255.255.255",
    "24.1.2.3",
];

pub(super) const UUIDS: &[&str] = &[
    "00000000-0000-0000-0123-456789abcdef",
    "00000000-0000-0000-0123-456789ABCDEF",
    "{00000000-0000-0000-0123-456789abcdef}",
    "urn:uuid:00000000-0000-0000-0123-456789abcdef",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "f47ac10b-58cc-8f91-a567-0e02b2c3d479",
    "F47AC10B-58CC-8F91-A567-0E02B2C3D479",
    "no uuid",
    "",
    " ",
];

/// Those that a type for UUIDs takes, in its own form.
pub(super) const TYPED_UUIDS: &[&str] = &[
    "00000000-0000-0000-0123-456789abcdef",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "f47ac10b-58cc-8f91-a567-0e02b2c3d479",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

/// Some of these.
pub(super) fn some(dice: &mut Dice, of: &[&str]) -> Vec<Cell> {
    let how_many = 2 + dice.below(of.len() - 1);
    (0..how_many).map(|_| Cell::Text((*dice.pick(of)).into())).collect()
}

/// An address that was never drawn before; of some others the same token is made.
pub(super) fn another(dice: &mut Dice, used: &mut BTreeSet<String>) -> String {
    let crowd = used.len() / 3 + 1;
    for _ in 0..8 {
        let name = format!("user{}@example.com", dice.below(crowd));
        let email = match dice.below(6) {
            0 => name.to_uppercase(),
            1 => name.replace('u', "U"),
            2 => format!(" {name}"),
            3 => name.replace("example", "Example"),
            _ => name,
        };
        if used.insert(email.clone()) {
            return email;
        }
    }
    let email = format!("User{}@example.org", used.len());
    used.insert(email.clone());
    email
}
