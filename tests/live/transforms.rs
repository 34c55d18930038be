//! Transforms, from the policy to the evidence, on real servers.

mod chinook;
mod fresh;
mod moved;
mod twice;
