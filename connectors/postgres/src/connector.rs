//! The connector: one database behind the seam.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use forgetd_connector::walk::{Peek, Span};
use forgetd_connector::{
    Atomicity, Capabilities, Catalog, Cause, ConnectContext, Connector, Control, Count, Course, Cursor, DoneRows,
    Explained, Facts, Fault, FaultClass, Finding, Heartbeats, Judged, Key, Lane, LaneClaim, Measure, Path, Profile,
    RowCap, SECOND_LANE, Shape, Statements, Step, Strain, StrainAsked, Table, TableRef, Transform, Value,
};
use jiff::Timestamp;

use crate::codec;
use crate::config::{Config, Target};
use crate::connect::{Link, Session, Slot};
use crate::control::PgControl;
use crate::facts::Local;
use crate::lane::{self, Atomic};
use crate::query::{Query, Sql};
use crate::sealed::SealedKeys;
use crate::survey::{Survey, get, odd, walk_by_description};
use crate::walk::Walk;
use crate::{catalog, done, error, explain, facts, measure, preflight, profile, strain, tls};

/// What everything of one database shares.
pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    /// The session of the first lane and of reads that take long.
    pub(crate) lanes: Arc<Slot>,
    /// The session of a second lane, while there is one.
    second: Arc<Slot>,
    /// The session of the control tables: a lease is renewed while a lane works.
    pub(crate) desk: Arc<Slot>,
    pub(crate) names: Names,
    pub(crate) local: Local,
    /// Which server this is: a standby has the same data.
    pub(crate) server: String,
    /// A pooler was recognised. That it was not proves nothing.
    pub(crate) pooled: bool,
    /// The transaction whose commit was not answered, of each lane that has one.
    lost: Mutex<BTreeMap<String, String>>,
    /// How each rule's table was last decided to be walked, so that a plan shows what a run does.
    walks: Mutex<BTreeMap<String, Walk>>,
    /// Where the log ended at earlier looks.
    course: Mutex<Course<i64>>,
}

/// Names of the control tables.
pub(crate) struct Names {
    schema: String,
}

struct Postgres {
    shared: Arc<Shared>,
    facts: Facts,
    capabilities: Capabilities,
    control: PgControl,
}

/// Connects to a PostgreSQL database and looks at what it is. Nothing is written.
///
/// Keeps at most two sessions, and a third one where a second lane works, made when they are needed and again after they
/// were lost.
pub async fn connect(config: Config, context: ConnectContext) -> Result<Box<dyn Connector>, Fault> {
    let target = Target::parse(&config, &context)?;
    let tls = tls::prepare(&target, &context.database)?;
    let names = Names { schema: context.control_name.clone() };
    let link = Arc::new(Link { target, tls, context });
    let slot = || Slot::new(Arc::clone(&link));
    let (lanes, second, desk) = (slot(), slot(), slot());
    let held = lanes.take().await?;
    let (facts, local) = facts::look(&held, &link).await?;
    held.give_back();
    let shared = Arc::new(Shared {
        lanes,
        second,
        desk,
        link,
        names,
        local,
        server: format!("{}/{}", facts.identity, if facts.read_only { "reads" } else { "writes" }),
        pooled: facts.pooler.is_some(),
        lost: Mutex::default(),
        walks: Mutex::new(BTreeMap::new()),
        course: Mutex::default(),
    });
    let capabilities = facts::capabilities(facts.known);
    let control = PgControl { shared: Arc::clone(&shared) };
    Ok(Box::new(Postgres { shared, facts, capabilities, control }))
}

// === impl Names ===

impl Names {
    /// The quoted schema.
    pub(crate) fn schema(&self) -> String {
        codec::quote(&self.schema)
    }

    /// A quoted table.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{}", self.schema(), codec::quote(name))
    }

    /// The schema as it is.
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

    /// The statements of a step.
    pub(crate) fn query(&self, step: &Step) -> Result<Query, Fault> {
        Query::new(step, self.database(), self.local.text_order)
    }

    /// The place of the control tables in faults.
    pub(crate) fn control_place(&self) -> String {
        format!("{}.{}", self.database(), self.names.plain())
    }

    /// What an error of a statement on the control tables means.
    pub(crate) fn control_fault(&self, error: &tokio_postgres::Error, operation: &'static str) -> Fault {
        let mut fault = error::fault(error, operation, &self.control_place());
        fault.class = match (fault.class, fault.code.as_deref()) {
            (FaultClass::Blocked(Cause::TableMissing | Cause::ColumnMissing), _) => {
                FaultClass::Blocked(Cause::ControlTables)
            }
            // Nobody's row is to blame for what our own tables refuse.
            (FaultClass::Locked, _) => FaultClass::Transient,
            (FaultClass::Row(_), _) => FaultClass::Internal,
            (class, _) => class,
        };
        fault
    }

    /// Surveys the step's table and decides how to walk it.
    pub(crate) async fn survey(&self, session: &Session, step: &Step, query: &Query) -> Result<(Survey, Walk), Fault> {
        let place = step.place(self.database());
        let survey = match Survey::take(session, step, query, &place).await {
            Ok(survey) => survey,
            Err(fault) => return Err(preflight::blind_or_denied(session, step, &place, fault).await),
        };
        let walk = survey.walk(step);
        self.turned(step, walk);
        Ok((survey, walk))
    }

    /// The step's table is walked so from now on.
    pub(crate) fn turned(&self, step: &Step, walk: Walk) {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner).insert(step.rule.clone(), walk);
    }

    /// How the step's table was last decided to be walked, or would be by its description alone.
    pub(crate) fn walk(&self, step: &Step) -> Walk {
        let walks = self.walks.lock().unwrap_or_else(PoisonError::into_inner);
        walks.get(&step.rule).copied().unwrap_or_else(|| walk_by_description(step))
    }

    /// Where the log ended at earlier looks.
    pub(crate) fn course(&self) -> MutexGuard<'_, Course<i64>> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the session of a lane lies.
    pub(crate) fn slot(&self, lane: &str) -> &Arc<Slot> {
        if lane == SECOND_LANE { &self.second } else { &self.lanes }
    }

    /// Notes the transaction of a lane that is about to commit.
    pub(crate) fn remember_transaction(&self, lane: &str, xid: &str) {
        self.lost().insert(lane.to_owned(), xid.to_owned());
    }

    /// Its commit was answered.
    pub(crate) fn forget_transaction(&self, lane: &str) {
        self.lost().remove(lane);
    }

    /// The transaction of a lane whose commit was not answered.
    pub(crate) fn lost_transaction(&self, lane: &str) -> Option<String> {
        self.lost().get(lane).cloned()
    }

    fn lost(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Connector for Postgres {
    fn engine(&self) -> &'static str {
        "postgresql"
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        let place = self.shared.database();
        let held = self.shared.desk.take().await?;
        let sql = Sql::new("select (extract(epoch from clock_timestamp()) * 1000000)::int8", vec![]);
        let answers = held.read("read clock", place, "", &[&sql]).await?;
        held.give_back();
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
        Timestamp::from_microsecond(get(row, 0, place)?).map_err(|_| odd(place))
    }

    async fn tables(&self) -> Result<Vec<TableRef>, Fault> {
        let held = self.shared.lanes.take().await?;
        let tables = catalog::tables(&held, self.shared.names.plain(), self.shared.database()).await?;
        held.give_back();
        Ok(tables)
    }

    async fn describe(&self, tables: &[TableRef]) -> Result<Catalog, Fault> {
        let held = self.shared.lanes.take().await?;
        let catalog = catalog::describe(&held, tables, self.shared.database()).await?;
        held.give_back();
        Ok(catalog)
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
        let query = self.shared.query(step)?;
        let walk = self.shared.walk(step);
        let (span, peek) = match (walk, query.lead()) {
            (Walk::Since, Some(lead)) => {
                let shown = || Value::Typed { kind: lead.type_name.clone(), text: String::new() };
                let peek = query.peek_since(&Peek::Since { from: Some(shown()), inclusive: true }, 1);
                (Span::Range { from: Some(shown()), inclusive: true, to: Some(shown()) }, peek)
            }
            (Walk::Keys, _) => {
                let shown = || Key(query.key().iter().map(|_| Value::Null).collect());
                let peek = query.peek_keys(&Peek::Keys { after: Some(shown()) }, 1, 1);
                (Span::Keys { after: Some(shown()), to: Some(shown()) }, peek)
            }
            _ => (Span::Physical { from: 0, to: 1 }, Some(query.peek_physical(0, 1, 1))),
        };
        Ok(Statements {
            predicate: query.predicate().to_owned(),
            walk: lane::word(walk).into(),
            peek: peek.map(|sql| sql.text().to_owned()).unwrap_or_default(),
            change: {
                let change: Vec<String> = query.change(&span, 0).iter().map(|sql| sql.text().to_owned()).collect();
                change.join(";\n")
            },
            count: query.count(None).text().to_owned(),
        })
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
            Atomicity::Atomic => Ok(Lane::Atomic(Box::new(Atomic::open(shared, step, claim, transform).await?))),
            Atomicity::Sealed => Ok(Lane::Sealed(Box::new(SealedKeys::open(shared, step, claim, transform).await?))),
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
