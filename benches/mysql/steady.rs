//! A day in the life of a rule that has caught up: few rows due and scattered, nothing of the table in memory. What counts is how
//! much of it is read.

use crate::data::{Layout, fill};
use crate::forgetd::{Batch, Deed, Prepared};
use crate::methods;
use crate::server::{Base, Product, Server};
use crate::spread::spread;

/// The share of the rows that is due.
const DUE: f64 = 0.003;

/// Measures one DELETE and forgetd by default, each on a copy of its own, behind a restart of the server.
pub(crate) async fn measure(product: Product, rows: u64, rounds: usize) {
    let name = product.name();
    let base = Base::build(product, &fill("event", rows, DUE, Layout::Scattered)).await;
    let (mut pages, mut times, mut changed) = (vec![], vec![], 0);
    for round in 1..=rounds {
        let mut server = base.start("event").await;
        let before = forget(&base, &mut server).await;
        let one = methods::single_delete(&server, server.address()).await;
        let one_read = server.pages_read().await - before;
        drop(server);

        let mut server = base.start("event").await;
        let prepared = Prepared::new(&server.url(), Deed::Delete, Batch::Default);
        let before = forget(&base, &mut server).await;
        let run = prepared.run().await;
        let read = server.pages_read().await - before;
        changed = run.changed;
        eprintln!(
            "round {round} steady state: one DELETE {one_read} pages, {one:.2} s; forgetd {read} pages, {:.2} s",
            run.seconds
        );
        #[allow(clippy::cast_precision_loss, reason = "pages")]
        pages.push(read as f64 / one_read as f64);
        times.push(run.seconds / one);
    }
    println!(
        "{name}, steady state: {rows} rows, {changed} due and scattered, nothing in memory, medians [min-max] of {rounds} rounds: \
         {} x the pages that one DELETE reads, {} x its time",
        spread(pages),
        spread(times)
    );
}

/// Neither the server nor, where we may say so, the machine has anything in memory any more. What the server has read by then.
async fn forget(base: &Base, server: &mut Server) -> u64 {
    base.restart(server).await;
    if std::fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
        eprintln!(
            "the machine's own cache was not dropped: pages are counted all the same, but the times are not those of a cold disk"
        );
    }
    server.pages_read().await
}
