//! Sessions and turns. Two sessions per database: one for the first lane and long reads, one for the control tables; and a
//! third while a second lane works.
//!
//! A session holds no state of ours. Whoever takes one out of its slot and does not give it back closes it, so a
//! dropped future leaves an open transaction to the server, which rolls it back.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forgetd_connector::{ConnectContext, Connected, Fault, FaultClass, Stoppable, UnderWay};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, pin_mut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::{CancelToken, Client, Error, Row};

use crate::codec;
use crate::config::Target;
use crate::error;
use crate::pooler;
use crate::query::Sql;
use crate::tls::Tls;

/// How long a read waits for a table that somebody locked whole: then it says so, and holds up nothing behind it.
const READ_LOCK_WAIT_MS: u64 = 2_000;

/// How long a request to cancel a statement that was given up may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// What is needed to make a session.
pub(crate) struct Link {
    pub(crate) target: Target,
    pub(crate) tls: Tls,
    pub(crate) context: ConnectContext,
}

/// One connection to the server.
pub(crate) struct Session {
    client: Client,
    driver: AbortHandle,
    tls: Tls,
    call_timeout: Duration,
    place: String,
    settings: String,
    stoppable: Arc<Stoppable>,
    _connected: Connected,
}

/// What may be stopped on the server while it is under way, beside reads.
const STOPPABLE: [&str; 2] = ["change", "finish"];

/// One part of a turn.
pub(crate) enum Ask<'a> {
    /// Statements without parameters and without an answer that matters: BEGIN, SET LOCAL, COMMIT.
    Batch(&'a str),
    /// One statement with typed parameters.
    Query(&'a Sql),
}

/// The answer to one statement.
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// The number in the command's tag.
    pub(crate) affected: u64,
    /// When it was complete.
    pub(crate) at: Instant,
}

/// A place for one session, and the queue in front of it.
pub(crate) struct Slot {
    link: Arc<Link>,
    gate: Arc<Semaphore>,
    idle: Mutex<Option<Session>>,
    /// How to stop what the session that was taken last is at, and whether it is at something that may be.
    running: Mutex<Option<(CancelToken, Arc<Stoppable>)>>,
}

/// A session taken out of its slot.
pub(crate) struct Held {
    session: Session,
    slot: Arc<Slot>,
    _permit: OwnedSemaphorePermit,
}

// === impl Link ===

impl Link {
    /// The timeout of every call.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.context.call_timeout_ms)
    }

    async fn open(&self) -> Result<Session, Fault> {
        let place = &self.context.database;
        let connecting = self.target.driver.connect(self.tls.connect.clone());
        let (client, connection) = timeout(self.call_timeout(), connecting)
            .await
            .map_err(|_| Fault::new(FaultClass::Unreachable, "connect", place).with_detail("no answer in time"))?
            .map_err(|error| error::unreachable(&error, place))?;
        let driver = tokio::spawn(async move {
            // Its error reaches the callers as a closed session; its text may hold anything.
            drop(connection.await);
        });
        let process = pooler::announced_process(&client.cancel_token()).await;
        let number = process.map(|process| u64::from(process.cast_unsigned()));
        Ok(Session {
            client,
            driver: driver.abort_handle(),
            tls: self.tls.clone(),
            call_timeout: self.call_timeout(),
            place: place.clone(),
            settings: self.settings(),
            stoppable: Arc::default(),
            _connected: self.context.connections.one(number),
        })
    }

    /// How every writing transaction begins.
    pub(crate) fn begin(&self) -> String {
        let settings = self.settings();
        format!("begin isolation level read committed; set local synchronous_commit = on; {settings}")
    }

    /// What every transaction sets for itself: behind a transaction pooler the session is the application's. So is its
    /// name: one given at the start would stay on the server's side, and the application would find it.
    fn settings(&self) -> String {
        let name = self.target.driver.get_application_name().unwrap_or(&self.context.application);
        format!("set local application_name = {}; set local row_security = off", codec::literal(name))
    }
}

// === impl Session ===

impl Session {
    /// Sends every part at once, so that they leave in one flush, and reads every answer.
    ///
    /// The outer error says that no answer came in time: what was under way is unknown.
    pub(crate) async fn turn(
        &self,
        operation: &'static str,
        asks: &[Ask<'_>],
    ) -> Result<Vec<Result<Answer, Error>>, Fault> {
        let _under_way = STOPPABLE.contains(&operation).then(|| self.stoppable.under_way());
        self.bounded(operation, join_all(asks.iter().map(|ask| self.ask(ask)))).await
    }

    /// Until it is dropped nobody stops what the session is at: a COMMIT is to be sent. A fault: a stop was sent, and none may
    /// be.
    pub(crate) fn committing(&self, place: &str) -> Result<UnderWay<'_>, Fault> {
        let stopped = || Fault::new(FaultClass::Transient, "commit", place).with_detail("the process is to end");
        self.stoppable.committing().ok_or_else(stopped)
    }

    /// The server's process as it was announced when the session began.
    pub(crate) async fn announced_process(&self) -> Option<i32> {
        pooler::announced_process(&self.client.cancel_token()).await
    }

    async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        match ask {
            Ask::Batch(text) => {
                self.client.batch_execute(text).await?;
                Ok(Answer { rows: vec![], affected: 0, at: Instant::now() })
            }
            Ask::Query(sql) => {
                let stream = self.client.query_typed_raw(sql.text(), sql.typed()).await?;
                pin_mut!(stream);
                let mut rows = vec![];
                while let Some(row) = stream.next().await {
                    rows.push(row?);
                }
                Ok(Answer { rows, affected: stream.rows_affected().unwrap_or(0), at: Instant::now() })
            }
        }
    }

    /// Reads in a transaction of its own, in one turn. Fails rather than let row security hide rows.
    ///
    /// After an error that the server answered the session is as clean as before.
    pub(crate) async fn read(
        &self,
        operation: &'static str,
        place: &str,
        settings: &str,
        queries: &[&Sql],
    ) -> Result<Vec<Answer>, Fault> {
        let begin = format!(
            "begin isolation level read committed read only; {}; set local lock_timeout = {READ_LOCK_WAIT_MS}{settings}",
            self.settings
        );
        let mut asks = vec![Ask::Batch(&begin)];
        asks.extend(queries.iter().map(|sql| Ask::Query(sql)));
        asks.push(Ask::Batch("commit"));
        let mut answers = vec![];
        let _under_way = self.stoppable.under_way();
        for answer in self.turn(operation, &asks).await? {
            answers.push(answer.map_err(|error| error::fault(&error, operation, place))?);
        }
        answers.pop();
        answers.remove(0);
        Ok(answers)
    }

    /// [`Session::read`] of a statement that meets no row. Beside the fault, what the server said about the statement,
    /// where it could not make sense of it: see [`error::about_statement`].
    pub(crate) async fn try_to_read(
        &self,
        operation: &'static str,
        place: &str,
        settings: &str,
        query: &Sql,
    ) -> Result<(), (Fault, Option<String>)> {
        let begin = format!("begin isolation level read committed read only; {}{settings}", self.settings);
        let asks = [Ask::Batch(&begin), Ask::Query(query), Ask::Batch("commit")];
        for answer in self.turn(operation, &asks).await.map_err(|fault| (fault, None))? {
            answer.map_err(|error| (error::fault(&error, operation, place), error::about_statement(&error)))?;
        }
        Ok(())
    }

    async fn bounded<T>(&self, operation: &'static str, work: impl Future<Output = T>) -> Result<T, Fault> {
        if let Ok(answer) = timeout(self.call_timeout, work).await {
            return Ok(answer);
        }
        // The server would go on, holding its locks: ask it to stop. Whether it did is not known here.
        let cancel = self.client.cancel_token();
        drop(timeout(CANCEL_TIMEOUT, cancel.cancel_query(self.tls.connect.clone())).await);
        let detail = format!("no answer in {} ms", self.call_timeout.as_millis());
        Err(Fault::new(FaultClass::Disconnected, operation, &self.place).with_detail(detail))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

// === impl Slot ===

impl Slot {
    pub(crate) fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self { link, gate: Arc::new(Semaphore::new(1)), idle: Mutex::new(None), running: Mutex::new(None) })
    }

    /// Closes the session unless it is taken out.
    pub(crate) fn let_go(&self) {
        drop(self.idle.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Takes the session out, making one where there is none. Waits for whoever has it, no longer than a call may take.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Held, Fault> {
        let busy = |detail| {
            Fault::new(FaultClass::Transient, "take a connection", &self.link.context.database).with_detail(detail)
        };
        let permit = timeout(self.link.call_timeout(), Arc::clone(&self.gate).acquire_owned())
            .await
            .map_err(|_| busy("the connection is in use"))?
            .map_err(|_| busy("the connector is closed"))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let session = match idle.filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => self.link.open().await?,
        };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((session.client.cancel_token(), Arc::clone(&session.stoppable)));
        Ok(Held { session, slot: Arc::clone(self), _permit: permit })
    }

    /// Asks the server to stop what the session that is out is at, if that may be stopped.
    pub(crate) async fn cancel(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((running, _)) = running.filter(|(_, stoppable)| stoppable.stop()) {
            drop(timeout(CANCEL_TIMEOUT, running.cancel_query(self.link.tls.connect.clone())).await);
        }
    }

    /// Closes the session, and lets nobody make another.
    pub(crate) fn close(&self) {
        self.gate.close();
        drop(self.idle.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

// === impl Held ===

impl Held {
    /// Puts the session back. Only for one without an open transaction and without an unread answer.
    pub(crate) fn give_back(self) {
        let Self { session, slot, _permit } = self;
        slot.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if !session.client.is_closed() && !slot.gate.is_closed() {
            *slot.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        }
    }
}

impl std::ops::Deref for Held {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}
