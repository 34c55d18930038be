//! The connector: one database behind the seam.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    Capabilities, Catalog, Cause, ConnectContext, Connector, Control, Count, DoneRows, Explained, Facts, Fault,
    FaultClass, Finding, Judged, Key, Lane, LaneClaim, Measure, Path, Profile, RowCap, Shape, Statements, Step, Table,
    TableRef, Transform,
};
use jiff::Timestamp;

use crate::config::{Config, Target};
use crate::connect::Link;
use crate::control::MongoControl;
use crate::facts;

/// What every part of the connector works with.
pub(crate) struct Shared {
    pub(crate) link: Link,
    /// What the server said of itself.
    pub(crate) facts: Facts,
}

struct Mongo {
    shared: Arc<Shared>,
    facts: Facts,
    capabilities: Capabilities,
    control: MongoControl,
}

/// Connects to a MongoDB database and looks at what it is. Nothing is written.
///
/// Keeps at most two connections for work and the driver's one to each member for watching it.
pub async fn connect(config: Config, context: ConnectContext) -> Result<Box<dyn Connector>, Fault> {
    let target = Target::parse(&config, &context).await?;
    let link = Link::new(target, context)?;
    let facts = facts::look(&link).await?;
    let shared = Arc::new(Shared { link, facts });
    let control = MongoControl { shared: Arc::clone(&shared) };
    // Who only observes need not see the control collections.
    let probed = control.probed().await.ok().flatten();
    let facts = facts::with_probe(shared.facts.clone(), probed.as_ref());
    Ok(Box::new(Mongo { shared, facts, capabilities: facts::capabilities(), control }))
}

// === impl Mongo ===

impl Mongo {
    /// What the connector cannot do yet.
    fn missing<T>(&self, operation: &'static str) -> Result<T, Fault> {
        let fault = Fault::new(FaultClass::Blocked(Cause::Unsupported), operation, &self.shared.link.context.database);
        Err(fault.with_detail("the connector for MongoDB cannot do this yet"))
    }
}

#[async_trait]
impl Connector for Mongo {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        facts::now(&self.shared.link).await
    }

    async fn tables(&self) -> Result<Vec<TableRef>, Fault> {
        self.missing("list collections")
    }

    async fn describe(&self, _tables: &[TableRef]) -> Result<Catalog, Fault> {
        self.missing("describe")
    }

    async fn preflight(&self, _step: &Step) -> Result<Vec<Finding>, Fault> {
        self.missing("preflight")
    }

    async fn measure(&self, _step: &Step, _cap: RowCap) -> Result<Measure, Fault> {
        self.missing("measure")
    }

    async fn survivors(&self, _step: &Step) -> Result<Count, Fault> {
        self.missing("count survivors")
    }

    async fn profile(&self, _step: &Step, _cap: RowCap) -> Result<Profile, Fault> {
        self.missing("profile")
    }

    async fn judge(&self, _step: &Step, _key: &Key) -> Result<Option<Judged>, Fault> {
        self.missing("judge")
    }

    async fn explain(&self, _step: &Step) -> Result<Vec<Explained>, Fault> {
        self.missing("explain")
    }

    fn statements(&self, _step: &Step) -> Result<Statements, Fault> {
        self.missing("statements")
    }

    fn step_grants(&self, _step: &Step, _role: &str) -> String {
        String::new()
    }

    fn index_statement(&self, _table: &TableRef, _columns: &[String]) -> String {
        String::new()
    }

    fn control(&self) -> &dyn Control {
        &self.control
    }

    async fn lane(&self, _step: &Step, _claim: &LaneClaim, _transform: Arc<dyn Transform>) -> Result<Lane, Fault> {
        self.missing("open lane")
    }

    async fn count_shaped(&self, _table: &Table, _path: &Path, _shape: &Shape) -> Result<u64, Fault> {
        self.missing("count shaped")
    }

    async fn done_rows(&self, _step: &Step, _after: Option<&Key>, _rows_max: u32) -> Result<DoneRows, Fault> {
        self.missing("read done rows")
    }

    async fn close(&self) {
        self.shared.link.client.clone().shutdown().immediate(true).await;
    }
}
