//! The tables of `docs/engines.md` are written from the tables by which servers are recognised: `UPDATE=1` does it.

use std::fmt::Write as _;

use forgetd::app::PRODUCTS;
use forgetd_connector::{Atomicity, FenceKind, Product, Trust};

/// Behind this line all is written.
const WRITTEN: &str = "<!-- what follows is written from the code -->\n";

fn told(product: &Product) -> String {
    let signs: Vec<String> = product.signs.iter().map(ToString::to_string).collect();
    if signs.is_empty() { "nothing else in this table".into() } else { signs.join(" and ") }
}

fn row(product: &Product) -> String {
    let (batches, fence) = match product.trust {
        Trust::Impossible(_) => ("", ""),
        _ => (
            match product.atomicity {
                Atomicity::Atomic => "atomic",
                Atomicity::Sealed => "sealed",
            },
            match product.fence {
                FenceKind::Lock => "lock",
                FenceKind::Write => "write",
            },
        ),
    };
    let cells = [&product.title(), &told(product), &product.trust.to_string(), batches, fence, product.note];
    format!("| {} |\n", cells.map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")).join(" | "))
}

#[test]
fn every_product_is_on_the_page() {
    let mut tables = String::new();
    for (engine, products) in PRODUCTS {
        write!(
            tables,
            "\n## {engine}\n\n| product | recognised by | state | batches | fence | |\n|---|---|---|---|---|---|\n"
        )
        .unwrap();
        products.iter().for_each(|product| tables.push_str(&row(product)));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/engines.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (prose, found) = text.split_once(WRITTEN).expect("the line behind which all is written");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, format!("{prose}{WRITTEN}{tables}")).unwrap();
    } else {
        assert_eq!(found, tables, "run `UPDATE=1 cargo test --test it engines_page` and look at the difference");
    }
}

/// Whoever reads a table from the top meets what is more special first, and something at the end.
#[test]
fn each_table_ends_in_what_is_left() {
    for (engine, products) in PRODUCTS {
        let (last, rest) = products.split_last().expect("a product");
        assert!(last.signs.is_empty(), "{engine} may find nothing");
        assert!(rest.iter().all(|product| !product.signs.is_empty()), "{engine} hides what stands behind");
        for (n, product) in rest.iter().enumerate() {
            let hidden = rest[..n].iter().find(|before| before.signs.iter().all(|sign| product.signs.contains(sign)));
            assert_eq!(hidden.map(Product::title), None, "{engine}: {} is never found", product.title());
        }
    }
}
