//! The connector: one database behind the seam.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use forgetd_connector::{
    Atomicity, Capabilities, Catalog, Cause, Comers, ConnectContext, Connector, Control, Count, Cursor, DoneRows,
    Explained, Facts, Fault, FaultClass, Finding, Heartbeats, Judged, Key, Lane, LaneClaim, Measure, Path, Profile,
    RowCap, SECOND_LANE, Shape, Statements, Step, Strain, StrainAsked, Table, TableRef, Transform,
};
use jiff::Timestamp;

use crate::answer::{get, odd};
use crate::codec;
use crate::config::{Config, Target};
use crate::connect::{Link, Session, Slot};
use crate::control::MyControl;
use crate::error::Error;
use crate::facts::Looked;
use crate::query::{Query, Sql};
use crate::survey::{Survey, walk_by_description};
use crate::tls::Tls;
use crate::walk::Walk;
use crate::{catalog, done, explain, facts, lane, measure, preflight, profile, sealed, strain};

/// What every part of the connector works with.
pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    /// The session of the first lane and of long reads.
    pub(crate) lanes: Arc<Slot>,
    /// The session of a second lane, while there is one.
    second: Arc<Slot>,
    /// The session of the control tables: a lease is renewed while a lane works.
    pub(crate) desk: Arc<Slot>,
    pub(crate) names: Names,
    pub(crate) looked: Looked,
    /// The session whose commit was not answered, of each lane that has one.
    lost: Mutex<BTreeMap<String, Known>>,
    /// Who comes and goes between two looks at the load.
    comers: Mutex<Comers>,
}

/// Names of the control tables.
pub(crate) struct Names {
    schema: String,
}

/// A session as others can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The server that numbers it.
    pub(crate) server: String,
    pub(crate) id: u64,
}

struct MySql {
    shared: Arc<Shared>,
    capabilities: Capabilities,
    control: MyControl,
}

/// Connects to a MySQL or MariaDB database and looks at what it is. Nothing is written.
///
/// Keeps at most two sessions, and a third one where a second lane works, made when they are needed and again after they
/// were lost.
pub async fn connect(config: Config, context: ConnectContext) -> Result<Box<dyn Connector>, Fault> {
    let target = Target::parse(&config, &context)?;
    let tls = Tls::prepare(&target, &context.database)?;
    let names = Names { schema: context.control_name.clone() };
    let link = Arc::new(Link { target, tls, context });
    let slot = || Slot::new(Arc::clone(&link));
    let (lanes, second, desk) = (slot(), slot(), slot());
    let mut held = lanes.take().await?;
    let looked = facts::look(&mut held, link.context.unsupported_engine, &link.context.database).await?;
    held.give_back();
    let capabilities = facts::capabilities(&looked);
    let (lost, comers) = (Mutex::default(), Mutex::default());
    let shared = Arc::new(Shared { link, lanes, second, desk, names, looked, lost, comers });
    let control = MyControl { shared: Arc::clone(&shared) };
    Ok(Box::new(MySql { shared, capabilities, control }))
}

// === impl Names ===

impl Names {
    /// The quoted database.
    pub(crate) fn schema(&self) -> String {
        codec::quote(&self.schema)
    }

    /// A quoted table.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{}", self.schema(), codec::quote(name))
    }

    /// The database as it is.
    pub(crate) fn plain(&self) -> &str {
        &self.schema
    }
}

// === impl Shared ===

impl Shared {
    /// The database's name in the policy.
    pub(crate) fn database(&self) -> &str {
        &self.link.context.database
    }

    pub(crate) fn comers(&self) -> MutexGuard<'_, Comers> {
        self.comers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's database whose tables are meant where a name has no schema.
    pub(crate) fn schema(&self) -> &str {
        &self.link.target.schema
    }

    /// The statements of a step.
    pub(crate) fn query(&self, step: &Step) -> Result<Query, Fault> {
        Query::new(step, self.database(), self.looked.flavour)
    }

    /// Surveys the step's table and decides how to walk it.
    pub(crate) async fn survey(
        &self,
        session: &mut Session,
        step: &Step,
        query: &Query,
    ) -> Result<(Survey, Walk), Fault> {
        let survey = Survey::take(self, session, step, query).await?;
        Ok((survey, walk_by_description(step)))
    }

    /// The place of the control tables in faults.
    pub(crate) fn control_place(&self) -> String {
        format!("{}.{}", self.database(), self.names.plain())
    }

    /// What an error of a statement on the control tables means.
    pub(crate) fn control_fault(&self, error: &Error, operation: &'static str) -> Fault {
        self.of_control(error.fault(operation, &self.control_place()))
    }

    /// What a fault of a statement on the control tables means.
    pub(crate) fn of_control(&self, mut fault: Fault) -> Fault {
        fault.class = match fault.class {
            FaultClass::Blocked(Cause::TableMissing | Cause::ColumnMissing) => {
                FaultClass::Blocked(Cause::ControlTables)
            }
            // Nobody's row is to blame for what our own tables refuse.
            FaultClass::Locked => FaultClass::Transient,
            FaultClass::Row(_) => FaultClass::Internal,
            class => class,
        };
        fault
    }

    /// Where the session of a lane lies.
    pub(crate) fn slot(&self, lane: &str) -> &Arc<Slot> {
        if lane == SECOND_LANE { &self.second } else { &self.lanes }
    }

    /// The server's numbers of the lanes' sessions that are at nothing.
    pub(crate) fn idle_ids(&self) -> impl Iterator<Item = u64> {
        [&self.lanes, &self.second].into_iter().filter_map(|slot| slot.idle_id())
    }

    /// Notes the session of a lane that is about to commit.
    pub(crate) fn remember_session(&self, lane: &str, session: Known) {
        self.lost().insert(lane.to_owned(), session);
    }

    /// Its commit was answered.
    pub(crate) fn forget_session(&self, lane: &str) {
        self.lost().remove(lane);
    }

    /// The session of a lane whose commit was not answered.
    pub(crate) fn lost_session(&self, lane: &str) -> Option<Known> {
        self.lost().get(lane).cloned()
    }

    fn lost(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Connector for MySql {
    fn engine(&self) -> &'static str {
        "mysql"
    }

    fn facts(&self) -> &Facts {
        &self.shared.looked.facts
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        let place = self.shared.database();
        let mut held = self.shared.desk.take().await?;
        let sql = Sql::plain("select timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', utc_timestamp(6))");
        let answers = held.read("read clock", place, &[&sql]).await?;
        held.give_back();
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
        Timestamp::from_microsecond(get(row, 0, place)?).map_err(|_| odd(place))
    }

    async fn tables(&self) -> Result<Vec<TableRef>, Fault> {
        catalog::tables(&self.shared).await
    }

    async fn describe(&self, tables: &[TableRef]) -> Result<Catalog, Fault> {
        catalog::describe(&self.shared, tables).await
    }

    async fn preflight(&self, step: &Step) -> Result<Vec<Finding>, Fault> {
        preflight::look(&self.shared, step).await
    }

    async fn measure(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        measure::measure(&self.shared, step, cap).await
    }

    async fn survivors(&self, step: &Step) -> Result<Count, Fault> {
        measure::survivors(&self.shared, step).await
    }

    async fn profile(&self, step: &Step, cap: RowCap) -> Result<Profile, Fault> {
        let now = self.now().await?;
        profile::profile(&self.shared, step, now, cap).await
    }

    async fn judge(&self, step: &Step, key: &Key) -> Result<Option<Judged>, Fault> {
        profile::judge(&self.shared, step, key).await
    }

    async fn explain(&self, step: &Step) -> Result<Vec<Explained>, Fault> {
        explain::explain(&self.shared, step).await
    }

    fn statements(&self, step: &Step) -> Result<Statements, Fault> {
        explain::statements(&self.shared, step)
    }

    fn step_grants(&self, step: &Step, role: &str) -> String {
        preflight::grants(step, role)
    }

    fn index_statement(&self, table: &TableRef, columns: &[String]) -> String {
        preflight::index(table, columns)
    }

    fn control(&self) -> &dyn Control {
        &self.control
    }

    async fn lane(&self, step: &Step, claim: &LaneClaim, transform: Arc<dyn Transform>) -> Result<Lane, Fault> {
        let shared = Arc::clone(&self.shared);
        match step.atomicity {
            Atomicity::Atomic => Ok(Lane::Atomic(lane::open(shared, step, claim, transform).await?)),
            Atomicity::Sealed => Ok(Lane::Sealed(sealed::open(shared, step, claim, transform).await?)),
        }
    }

    async fn count_shaped(&self, table: &Table, path: &Path, shape: &Shape) -> Result<u64, Fault> {
        measure::count_shaped(&self.shared, table, path, shape).await
    }

    async fn divide(&self, step: &Step, from: Option<&Cursor>, rows: u64) -> Result<Option<Cursor>, Fault> {
        lane::divide::divide(&self.shared, step, from, rows).await
    }

    async fn done_rows(&self, step: &Step, after: Option<&Key>, rows_max: u32) -> Result<DoneRows, Fault> {
        done::rows(&self.shared, step, after, rows_max).await
    }

    async fn strain(&self, asked: &StrainAsked) -> Result<Strain, Fault> {
        strain::look(&self.shared, asked).await
    }

    fn heartbeats(&self) -> Option<&dyn Heartbeats> {
        Some(&self.control)
    }

    async fn cancel(&self) {
        self.shared.lanes.cancel().await;
        self.shared.second.cancel().await;
    }

    async fn close(&self) {
        self.shared.lanes.close();
        self.shared.second.close();
        self.shared.desk.close();
    }
}
