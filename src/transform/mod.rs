//! What values become: tokens, constants, coarser values. Pure, given its keys.

mod shape;
mod treatment;

pub use shape::{bits, collision_odds, length, put, shape};
pub use treatment::{CheckDigit, Holder, TokenKind, Treatment};
