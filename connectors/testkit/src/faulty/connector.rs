//! The wrapper around a whole connector.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    Capabilities, Catalog, Connector, Control, Count, DoneRows, Explained, Facts, Fault, Finding, Heartbeats, Judged,
    Key, Lane, LaneClaim, Measure, Path, Profile, RowCap, Shape, Statements, Step, Strain, StrainAsked, Table,
    TableRef, Transform,
};
use jiff::Timestamp;

use super::control::FaultyControl;
use super::lane::{FaultyAtomic, FaultySealed};
use super::script::{Script, scripted};

/// A connector whose calls go through a [`Script`], those of its lanes and control tables too.
pub struct Faulty {
    inner: Arc<dyn Connector>,
    control: FaultyControl,
    script: Script,
}

// === impl Faulty ===

impl Faulty {
    /// Wraps a connector.
    pub fn new(inner: Box<dyn Connector>, script: Script) -> Self {
        let inner: Arc<dyn Connector> = Arc::from(inner);
        let control = FaultyControl::new(Arc::clone(&inner), script.clone());
        Self { inner, control, script }
    }
}

#[async_trait]
impl Connector for Faulty {
    fn engine(&self) -> &'static str {
        self.inner.engine()
    }

    fn facts(&self) -> &Facts {
        self.inner.facts()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        scripted!(self.script, Now, self.inner.now().await)
    }

    async fn tables(&self) -> Result<Vec<TableRef>, Fault> {
        self.inner.tables().await
    }

    async fn describe(&self, tables: &[TableRef]) -> Result<Catalog, Fault> {
        scripted!(self.script, Describe, self.inner.describe(tables).await)
    }

    async fn preflight(&self, step: &Step) -> Result<Vec<Finding>, Fault> {
        scripted!(self.script, Preflight, self.inner.preflight(step).await)
    }

    async fn measure(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        scripted!(self.script, Measure, self.inner.measure(step, cap).await)
    }

    async fn count_due(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        scripted!(self.script, Measure, self.inner.count_due(step, cap).await)
    }

    async fn survivors(&self, step: &Step) -> Result<Count, Fault> {
        scripted!(self.script, Survivors, self.inner.survivors(step).await)
    }

    async fn profile(&self, step: &Step, cap: RowCap) -> Result<Profile, Fault> {
        self.inner.profile(step, cap).await
    }

    async fn judge(&self, step: &Step, key: &Key) -> Result<Option<Judged>, Fault> {
        self.inner.judge(step, key).await
    }

    async fn explain(&self, step: &Step) -> Result<Vec<Explained>, Fault> {
        self.inner.explain(step).await
    }

    fn statements(&self, step: &Step) -> Result<Statements, Fault> {
        self.inner.statements(step)
    }

    fn step_grants(&self, step: &Step, role: &str) -> String {
        self.inner.step_grants(step, role)
    }

    fn index_statement(&self, table: &TableRef, columns: &[String]) -> String {
        self.inner.index_statement(table, columns)
    }

    fn control(&self) -> &dyn Control {
        &self.control
    }

    async fn lane(&self, step: &Step, claim: &LaneClaim, transform: Arc<dyn Transform>) -> Result<Lane, Fault> {
        let lane = scripted!(self.script, OpenLane, self.inner.lane(step, claim, transform).await)?;
        let script = self.script.clone();
        Ok(match lane {
            Lane::Atomic(inner) => Lane::Atomic(Box::new(FaultyAtomic { inner, script })),
            Lane::Sealed(inner) => Lane::Sealed(Box::new(FaultySealed { inner, script })),
        })
    }

    async fn count_shaped(&self, table: &Table, path: &Path, shape: &Shape) -> Result<u64, Fault> {
        self.inner.count_shaped(table, path, shape).await
    }

    async fn done_rows(&self, step: &Step, after: Option<&Key>, rows_max: u32) -> Result<DoneRows, Fault> {
        self.inner.done_rows(step, after, rows_max).await
    }

    async fn strain(&self, asked: &StrainAsked) -> Result<Strain, Fault> {
        scripted!(self.script, Strain, self.inner.strain(asked).await)
    }

    fn heartbeats(&self) -> Option<&dyn Heartbeats> {
        self.inner.heartbeats()
    }

    async fn cancel(&self) {
        self.inner.cancel().await;
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
