//! The lease's end and a sealed lane: no statement outlasts it.

use std::sync::Arc;

use forgetd_connector::{
    Action, Atomicity, Deadline, Endless, FaultClass, Lane, LaneClaim, Path, Place, Put, Rewrite, Transform, Undone,
    Untouched,
};
use forgetd_testkit::{Arena, Ends, Tagger, TestDatabase as _};

use crate::fixture::{arena, connect, order, step};

/// Rows that are due, each of which takes a tenth of a second to delete or update.
const SLOW: &str = "create table item (id int primary key, at date not null, email text);
  insert into item select n, '2024-01-01', 'm' || n from generate_series(1, 20) n;
  create function slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.1); return coalesce(new, old); end $$;
  create trigger slow before delete or update on item for each row execute function slow()";

/// What would outlast the lease is stopped before it and taken back; and a time that an operator gave stays where it is
/// shorter.
#[tokio::test]
async fn a_statement_ends_before_the_lease_does() {
    for (setting, lease_ms) in [
        ("0", Some(600)),
        ("2min", Some(600)),
        ("90s", Some(600)),
        ("12345", Some(600)),
        ("500ms", None),
        ("500ms", Some(600_000)),
    ] {
        for transforms in [false, true] {
            let (arena, database) = arena(SLOW).await;
            let mut step = step(&arena, "item").await;
            step.atomicity = Atomicity::Sealed;
            let mut transform: Arc<dyn Transform> = Arc::new(Untouched);
            if transforms {
                let path = Path::column("email");
                step.selection.undone.push(Undone::Other { path: path.clone(), shape: Tagger::shape() });
                let places = vec![Place { path, put: Put::Computed, samples: vec![] }];
                let rewrite = Rewrite { marker: None, version: None, places, follows: vec![] };
                transform = Arc::new(Tagger::new(&rewrite));
                step.action = Action::Transform(rewrite);
            }
            let name = "select current_database()";
            database
                .sql(&format!(
                    "do $$ begin execute format('alter database %I set statement_timeout = %L', ({name}), '{setting}'); end $$"
                ))
                .await;
            let arena = Arena { connector: connect(&database.url, "conformance").await.unwrap(), ..arena };
            let open = async |deadline: Arc<dyn Deadline>| {
                let claim = LaneClaim { deadline, ..arena.claim() };
                match arena.connector.lane(&step, &claim, Arc::clone(&transform)).await.unwrap() {
                    Lane::Sealed(lane) => lane,
                    Lane::Atomic(_) => panic!("a sealed step"),
                }
            };
            let keys = open(Arc::new(Endless)).await.pick(&order(100)).await.unwrap().keys;
            assert_eq!(keys.len(), 20);
            let mut lane = match lease_ms {
                Some(ms) => open(Arc::new(Ends::in_ms(ms))).await,
                None => open(Arc::new(Endless)).await,
            };
            let fault = lane.finish(&keys).await.unwrap_err();
            assert_eq!((fault.class, lane.owed()), (FaultClass::Timeout, 0), "{setting} {transforms}: {fault}");
            assert_eq!(database.number("select count(*) from item where email not like 'p1.%'").await, 20);
        }
    }
}
