//! Transforms, from the policy to the evidence, on real servers.

mod chinook;
mod faked;
mod fresh;
mod moved;
mod twice;
mod wide;
