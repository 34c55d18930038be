//! What is found out when a connection is made.

use forgetd_connector::{Atomicity, FenceKind, RowLock};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::Database;
use crate::server::Product;

#[tokio::test]
async fn the_server_is_known_by_name_and_its_clock_is_read() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let connector = database.connect("i").await;
        let facts = connector.facts();
        assert_eq!(facts.product, if product == Product::MariaDb { "MariaDB" } else { "MySQL" });
        assert_eq!((facts.read_only, facts.pooler.as_deref()), (false, None));
        assert!(!facts.identity.is_empty());
        let capabilities = connector.capabilities();
        assert_eq!((capabilities.atomicity, capabilities.row_lock), (Atomicity::Atomic, RowLock::SkipLocked));
        assert_eq!((capabilities.fence, capabilities.effect_counters), (FenceKind::Lock, false));
        let clock = database.number("select unix_timestamp()").await;
        let now = connector.now().await.unwrap();
        assert!((now.as_second() - clock).abs() <= 5, "{product:?}");
        connector.close().await;
        connector.now().await.expect_err("a closed connector works on");
    }
}
