//! What a file's engine is: there is one.

use forgetd_connector::{Atomicity, FenceKind, Product, Trust};

/// SQLite alone.
pub const PRODUCTS: &[Product] = &[SQLITE];

/// It is part of the program, so nothing has to be recognised.
pub(crate) const SQLITE: Product = Product {
    name: "SQLite",
    form: "",
    signs: &[],
    trust: Trust::Tested { every_build: "the one that is built in", long_form: "" },
    atomicity: Atomicity::Atomic,
    fence: FenceKind::Lock,
    note: "One process writes at a time: batches are short.",
};
