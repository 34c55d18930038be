//! The connector: one database behind the seam.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use forgetd_connector::{
    Capabilities, Catalog, ConnectContext, Connector, Control, Count, Course, DoneRows, Explained, Facts, Fault,
    Finding, Judged, Key, Lane, LaneClaim, Measure, Path, Profile, RowCap, Shape, Statements, Step, Strain,
    StrainAsked, Table, TableRef, Transform,
};
use jiff::Timestamp;

use crate::config::{Config, Target};
use crate::connect::Link;
use crate::control::MongoControl;
use crate::query::Scope;
use crate::sealed::SealedKeys;
use crate::{catalog, done, explain, facts, flavour, judge, measure, preflight, profile, query, sealed, strain};

/// What every part of the connector works with.
pub(crate) struct Shared {
    pub(crate) link: Link,
    /// What the server said of itself.
    pub(crate) facts: Facts,
    /// What was written last at earlier looks.
    course: Mutex<Course<u64>>,
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
    let shared = Arc::new(Shared { link, facts, course: Mutex::default() });
    let control = MongoControl { shared: Arc::clone(&shared) };
    // Who only observes need not see the control collections.
    let probed = control.probed().await.ok().flatten();
    let facts = facts::with_probe(shared.facts.clone(), probed.as_ref());
    let capabilities = facts::capabilities(facts.known);
    Ok(Box::new(Mongo { shared, facts, capabilities, control }))
}

// === impl Shared ===

impl Shared {
    /// What was written last at earlier looks.
    pub(crate) fn course(&self) -> MutexGuard<'_, Course<u64>> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a look into another collection takes fields and a pipeline both.
    pub(crate) fn joins_by_field(&self) -> bool {
        flavour::joins_by_field(&self.facts)
    }

    /// Whether documents of a scope are read along the index of their keys: then nothing is looked up for them, and the
    /// index orders texts as they are.
    pub(crate) fn reads_along(&self, scope: &Scope) -> bool {
        flavour::pages_by_hint(&self.facts) && !scope.collated && scope.lookups.is_empty()
    }
}

// === impl Mongo ===

impl Mongo {
    async fn scope(&self, step: &Step) -> Result<Scope, Fault> {
        catalog::scope(&self.shared.link, step, self.shared.joins_by_field()).await
    }
}

#[async_trait]
impl Connector for Mongo {
    fn engine(&self) -> &'static str {
        "mongodb"
    }

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
        catalog::tables(&self.shared.link).await
    }

    async fn describe(&self, tables: &[TableRef]) -> Result<Catalog, Fault> {
        catalog::describe(&self.shared.link, tables).await
    }

    async fn preflight(&self, step: &Step) -> Result<Vec<Finding>, Fault> {
        preflight::check(&self.shared, step).await
    }

    async fn measure(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        measure::measure(&self.shared, step, &self.scope(step).await?, cap).await
    }

    async fn count_due(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        measure::count_due(&self.shared, step, &self.scope(step).await?, cap).await
    }

    async fn survivors(&self, step: &Step) -> Result<Count, Fault> {
        measure::survivors(&self.shared.link, step, &self.scope(step).await?).await
    }

    async fn profile(&self, step: &Step, cap: RowCap) -> Result<Profile, Fault> {
        let (scope, now) = (self.scope(step).await?, self.now().await?);
        profile::profile(&self.shared.link, step, &scope, self.shared.joins_by_field(), (now, cap)).await
    }

    async fn judge(&self, step: &Step, key: &Key) -> Result<Option<Judged>, Fault> {
        let scope = self.scope(step).await?;
        judge::judge(&self.shared.link, step, &scope, self.shared.joins_by_field(), key).await
    }

    async fn explain(&self, step: &Step) -> Result<Vec<Explained>, Fault> {
        explain::explain(&self.shared.link, step, &self.scope(step).await?).await
    }

    fn statements(&self, step: &Step) -> Result<Statements, Fault> {
        let place = step.place(&self.shared.link.context.database);
        query::statements(step, self.shared.joins_by_field(), &place)
    }

    fn step_grants(&self, step: &Step, role: &str) -> String {
        preflight::grants(step, role, &self.shared.link.target.schema, flavour::is_sharded(&self.shared.facts))
    }

    fn index_statement(&self, table: &TableRef, columns: &[String]) -> String {
        preflight::index(table, columns)
    }

    fn control(&self) -> &dyn Control {
        &self.control
    }

    async fn lane(&self, step: &Step, claim: &LaneClaim, transform: Arc<dyn Transform>) -> Result<Lane, Fault> {
        if let Some(fault) = sealed::refused(step, &step.place(&self.shared.link.context.database)) {
            return Err(fault);
        }
        let shared = Arc::clone(&self.shared);
        Ok(Lane::Sealed(Box::new(SealedKeys::open(shared, step, claim, transform).await?)))
    }

    async fn count_shaped(&self, table: &Table, path: &Path, shape: &Shape) -> Result<u64, Fault> {
        measure::count_shaped(&self.shared.link, table, path, shape).await
    }

    async fn done_rows(&self, step: &Step, after: Option<&Key>, rows_max: u32) -> Result<DoneRows, Fault> {
        let done = step.done();
        done::rows(&self.shared.link, step, &self.scope(&done).await?, after, rows_max).await
    }

    async fn strain(&self, _asked: &StrainAsked) -> Result<Strain, Fault> {
        strain::look(&self.shared).await
    }

    async fn close(&self) {
        self.shared.link.client.clone().shutdown().immediate(true).await;
    }
}
