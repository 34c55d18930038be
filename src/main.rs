//! The daemon that forgets.

fn main() {}
