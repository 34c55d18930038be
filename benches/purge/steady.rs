//! A day in the life of a rule that has caught up: a large table, few rows due, nothing of it in memory. What counts is how
//! much of it is read.

use crate::data::{self, Layout};
use crate::forgetd::Prepared;
use crate::server::Server;
use crate::spread::spread;
use crate::{Scene, naked};

/// What one method read and took.
struct Cold {
    blocks: f64,
    seconds: f64,
}

/// Measures one DELETE and forgetd by default, each on a copy of its own, behind a restart of the server.
pub(crate) async fn measure(server: &Server, rows: u64, rounds: usize) {
    data::build(server, Layout::Rare, rows).await;
    let (mut ones, mut ours, mut changed, mut peak) = (vec![], vec![], 0, 0.0_f64);
    for round in 1..=rounds {
        let database = data::copy(server, Layout::Rare).await;
        forget(server);
        let before = read(server, &database).await;
        let seconds = naked::single(server, &database, None).await;
        ones.push(Cold { blocks: read(server, &database).await - before, seconds });
        data::drop(server, &database).await;

        let database = data::copy(server, Layout::Rare).await;
        let prepared = Prepared::new(&server.url(&database), &Scene::by_default(Layout::Rare));
        forget(server);
        let before = read(server, &database).await;
        let run = prepared.run().await;
        ours.push(Cold { blocks: read(server, &database).await - before, seconds: run.seconds });
        (changed, peak) = (run.changed, peak.max(run.peak_mib));
        data::drop(server, &database).await;
        let (one, our) = (&ones[round - 1], &ours[round - 1]);
        eprintln!(
            "round {round} steady state: one DELETE {:.0} blocks, {:.2} s; forgetd {:.0} blocks, {:.2} s",
            one.blocks, one.seconds, our.blocks, our.seconds
        );
    }
    let ratios =
        |of: &dyn Fn(&Cold) -> f64| spread(ones.iter().zip(&ours).map(|(one, our)| of(our) / of(one)).collect());
    println!(
        "steady state: {rows} rows, {changed} due and scattered, nothing in memory, medians [min-max] of {rounds} rounds: \
         {} x the blocks that one DELETE reads, {} x its time, peak {peak:.1} MiB",
        ratios(&|cold| cold.blocks),
        ratios(&|cold| cold.seconds),
    );
}

/// Neither the server nor, where we may say so, the machine has anything in memory any more.
fn forget(server: &Server) {
    server.restart();
    if std::fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
        eprintln!(
            "the machine's own cache was not dropped: the blocks are counted all the same, but the times are not those of a cold disk"
        );
    }
}

/// Blocks that were read into the server's memory so far, by its own counter.
async fn read(server: &Server, database: &str) -> f64 {
    let session = server.connect("postgres").await;
    let sql = "select blks_read::float8 from pg_stat_database where datname = $1";
    session.client.query_one(sql, &[&database]).await.unwrap().get(0)
}
