//! What a value becomes, given keys. Pure: no files, no database, no clock.
//!
//! A [`Treatment`] is what a rule wants done at one place; a [`Holder`] is what the place is. Together they say who does
//! it ([`put`]), how a value looks that is done ([`shape`]), and what must fit ([`samples`], [`length`], [`bits`]).
//! [`KeyedTransform`] is what lanes call for the places that the engine cannot do.
//!
//! **Tokens.** A token is cut from `HMAC-SHA256(token key of the domain, label || kind || normalized value)`: the same
//! value, domain and key give the same token in every database; without the key nothing links the two. Before, a value is
//! normalized: Unicode NFC, white space around it taken away; an email in lower case; a phone number as `+` and digits;
//! a UUID and an address in their standard forms; an integer in decimal. NULL stays NULL. An empty text stays empty.
//!
//! | kind | form of a token | told from other values by |
//! |---|---|---|
//! | text | `fg1`, epoch (3), body (16, 80 bits), check (4), each of `a-z2-7` | epoch and check |
//! | email | the same and `@pseudonym.invalid` | epoch and check |
//! | uuid | version 8, third group `8f91`; 75 bits of body, epoch, check | epoch and check |
//! | ip | in 240.0.0.0/4 (28 bits) or 2001:db8::/32 (96 bits), which no host on the Internet has | where it lies |
//! | phone | as many digits, `+` kept, nothing else | nothing: needs a marker |
//! | digits | other digits, all else in its place | nothing: needs a marker |
//! | integer | from 1 to the column's largest | nothing: needs a marker |
//!
//! A token of one of the domain's keys is never made into another one. What only looks like a token, with a check that
//! none of these keys makes, is a value like any other: who writes one himself does not escape.

mod json;
mod keyed;
mod network;
mod normal;
mod samples;
mod shape;
mod token;
mod treat;
mod treatment;

#[cfg(test)]
mod tests;

pub use keyed::{KeyedTransform, Treated};
pub use samples::samples;
pub use shape::{bits, collision_odds, epoch_shape, length, put, shape};
pub use treatment::{CheckDigit, Holder, TokenKind, Treatment};
