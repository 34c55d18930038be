//! Sessions and turns. Two sessions per database: one for the first lane and long reads, one for the control tables; and a
//! third while a second lane works.
//!
//! A session is set up once, and keeps nothing else of ours. Whoever takes one out of its slot and does not give it back
//! closes it, so a dropped future leaves an open transaction to the server, which rolls it back.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forgetd_connector::{Cause, ConnectContext, Connected, Fault, FaultClass, Stoppable};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, DriverError, SslOpts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::answer::{Answer, get, odd};
use crate::config::{Target, TlsMode};
use crate::connector::Known;
use crate::error::{self, Error};
use crate::facts::{self, Variables};
use crate::query::Sql;
use crate::setup;
use crate::tls::Tls;
use crate::turn::{self, Lost};

/// How long the request to end a session that was given up may take.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A session that was idle longer than this is asked whether it is still there.
const IDLE_TRUSTED: Duration = Duration::from_secs(5);

/// What the server adds to a statement in a packet, and more.
const PACKET_MARGIN: usize = 1_024;

/// A savepoint goes with its transaction, so it tells whether that is still there.
const MARK: &str = "savepoint forgetd_batch";
const STILL: &str = "release savepoint forgetd_batch";

/// What is needed to make a session.
pub(crate) struct Link {
    pub(crate) target: Target,
    pub(crate) tls: Tls,
    pub(crate) context: ConnectContext,
}

/// One connection to the server.
pub(crate) struct Session {
    conn: Conn,
    link: Arc<Link>,
    /// The number under which the server knows the session now.
    id: u64,
    /// A handshake took place.
    encrypted: bool,
    packet_max: usize,
    variables: Variables,
    /// Its number stands in the control tables.
    announced: bool,
    used: Instant,
    /// An answer is missing, or a transaction may be open.
    broken: bool,
    stoppable: Arc<Stoppable>,
    _connected: Connected,
}

/// What may be stopped on the server while it is under way, beside reads.
const STOPPABLE: [&str; 2] = ["change", "finish"];

/// One part of a turn.
pub(crate) enum Ask<'a> {
    /// Begins a transaction: [`setup::BEGIN`].
    Begin,
    /// Begins one that goes on in a later turn, and marks it.
    BeginMarked,
    /// Fails unless the transaction that was marked is still open. The first part of every turn that goes on with one: the
    /// server may have rolled it back meanwhile, and would commit each statement behind it by itself.
    Still,
    /// The same, for a turn after which it goes on once more.
    StillMarked,
    /// One statement without values.
    Say(&'a str),
    /// One statement with its values.
    Query(&'a Sql),
}

/// A place for one session, and the queue in front of it.
pub(crate) struct Slot {
    link: Arc<Link>,
    gate: Arc<Semaphore>,
    idle: Mutex<Option<Session>>,
    /// The session that was taken last, and whether it is at something that may be stopped.
    running: Mutex<Option<(Known, Arc<Stoppable>)>>,
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

    /// Makes a session and sets it up.
    async fn open(self: &Arc<Self>) -> Result<Session, Fault> {
        let place = &self.context.database;
        let late = || Fault::new(FaultClass::Unreachable, "connect", place).with_detail("no answer in time");
        let (conn, encrypted) = timeout(self.call_timeout(), self.reach())
            .await
            .map_err(|_| late())?
            .map_err(|error| error::unreachable(&error, place))?;
        let id = u64::from(conn.id());
        let mut session = Session {
            id,
            conn,
            link: Arc::clone(self),
            encrypted,
            packet_max: usize::MAX,
            variables: Variables::default(),
            announced: false,
            used: Instant::now(),
            broken: false,
            stoppable: Arc::default(),
            _connected: self.context.connections.one(Some(id)),
        };
        let first = session.answers("read facts", place, &[Ask::Say(facts::OF_ITSELF)]).await?;
        let row = first.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
        let itself = Variables::of_itself(row, place)?;
        itself.product(self.context.unsupported_engine, place)?;
        itself.flavour(place)?;
        let set = setup::statement();
        let asks = [
            Ask::Say(&set),
            Ask::Say("select connection_id(), @@max_allowed_packet"),
            Ask::Say(facts::VARIABLES),
            Ask::Say(facts::STATUS),
        ];
        let answers = session.answers("set up session", place, &asks).await?;
        let [_, own, variables, status] = answers.as_slice() else { return Err(odd(place)) };
        let row = own.rows.first().ok_or_else(|| odd(place))?;
        session.id = get(row, 0, place)?;
        session.packet_max = get(row, 1, place)?;
        session.variables = itself.and(Variables::read(variables.rows.iter().chain(&status.rows), place)?);
        Ok(session)
    }

    async fn reach(&self) -> Result<(Conn, bool), mysql_async::Error> {
        let options = self.tls.options();
        let connect = |tls: Option<SslOpts>| Conn::new(self.target.driver(&self.context.application, tls));
        match connect(options.clone()).await {
            Ok(conn) => Ok((conn, options.is_some())),
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.tls.mode == TlsMode::Preferred =>
            {
                Ok((connect(None).await?, false))
            }
            Err(error) => match self.tls.whatever_name(&error) {
                Some(options) => Ok((connect(Some(options)).await?, true)),
                None => Err(error),
            },
        }
    }

    /// Ends a session by another one. Does nothing where another server answers: there the number is somebody else's.
    pub(crate) async fn end(self: &Arc<Self>, known: &Known) -> Result<(), Fault> {
        self.kill("kill", known).await
    }

    /// Ends the statement that a session is at, and lets it answer. As little is done where another server answers.
    async fn stop(self: &Arc<Self>, known: &Known) -> Result<(), Fault> {
        self.kill("kill query", known).await
    }

    async fn kill(self: &Arc<Self>, what: &str, known: &Known) -> Result<(), Fault> {
        let mut session = self.open().await?;
        if session.variables().server() != known.server {
            return Ok(());
        }
        let kill = format!("{what} {}", known.id);
        let place = &self.context.database;
        for answer in session.turn("end session", &[Ask::Say(&kill)]).await? {
            match answer {
                // No such session: it is gone already.
                Err(error) if error.code() == 1094 => {}
                other => drop(other.map_err(|error| error.fault("end session", place))?),
            }
        }
        Ok(())
    }
}

// === impl Session ===

impl Session {
    /// The server's number of the session.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Which of its statements may be stopped.
    pub(crate) fn stoppable(&self) -> Arc<Stoppable> {
        Arc::clone(&self.stoppable)
    }

    /// How others can name it.
    pub(crate) fn known(&self) -> Known {
        Known { server: self.variables.server(), id: self.id }
    }

    /// The number that was announced when the session began: another one behind a proxy.
    pub(crate) fn announced_id(&self) -> u64 {
        u64::from(self.conn.id())
    }

    /// What the server was when the session began.
    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Whether its number stands in the control tables.
    pub(crate) fn announced(&mut self) -> &mut bool {
        &mut self.announced
    }

    /// The state of its encryption in words; absent on a unix socket.
    pub(crate) fn tls(&self) -> Option<String> {
        (!self.link.target.is_local()).then(|| self.link.tls.words(self.encrypted))
    }

    /// How many bytes the statements of one turn may take together.
    pub(crate) fn packet_max(&self) -> usize {
        self.packet_max.saturating_sub(PACKET_MARGIN)
    }

    /// Whether these parts can be sent in one packet.
    pub(crate) fn fits(&self, asks: &[Ask<'_>]) -> bool {
        packet(asks).is_some_and(|(text, _)| text.len() <= self.packet_max())
    }

    /// Sends every part in one packet and reads the answers in their order. The server stops at the first error, which is
    /// then the last answer; what stands behind it was not run. Whatever transaction was open then is rolled back before
    /// this returns: a server that went on would commit each later statement by itself.
    ///
    /// The outer error says that not every answer came: what was under way is unknown, and the session is of no use.
    pub(crate) async fn turn(
        &mut self,
        operation: &'static str,
        asks: &[Ask<'_>],
    ) -> Result<Vec<Result<Answer, Error>>, Fault> {
        self.turn_within(operation, asks, Duration::MAX).await
    }

    /// The same, of which the server does no more once it took so long: the statement that it is at then is stopped, and
    /// answers with an error what it came to.
    pub(crate) async fn turn_within(
        &mut self,
        operation: &'static str,
        asks: &[Ask<'_>],
        limit: Duration,
    ) -> Result<Vec<Result<Answer, Error>>, Fault> {
        let place = self.link.context.database.clone();
        let Some((text, counts)) = packet(asks) else { return Err(odd(&place)) };
        if text.len() > self.packet_max() {
            let fault = Fault::new(FaultClass::Row(Cause::Size), operation, &place).with_code("1153 08S01");
            self.rollback().await;
            return Err(fault.with_detail("max_allowed_packet"));
        }
        // Until every answer was read.
        self.broken = true;
        let (link, call) = (Arc::clone(&self.link), self.link.call_timeout());
        let stopped = (limit < call).then(|| self.known());
        let stoppable = Arc::clone(&self.stoppable);
        let under_way = STOPPABLE.contains(&operation).then(|| stoppable.under_way());
        let answers = {
            let mut exchange = pin!(turn::exchange(&mut self.conn, text, &counts));
            match (timeout(limit.min(call), exchange.as_mut()).await, stopped) {
                (Err(_), Some(known)) => {
                    // A session that still answers says how far the statement came.
                    drop(timeout(END_TIMEOUT, Box::pin(link.stop(&known))).await);
                    timeout(END_TIMEOUT, exchange).await
                }
                (answers, _) => answers,
            }
        };
        drop(under_way);
        let answers = match answers {
            Ok(Ok(answers)) => answers,
            Ok(Err(Lost)) => return Err(Fault::new(FaultClass::Disconnected, operation, &place)),
            Err(_) => return Err(self.give_up(operation, &place, limit.min(call)).await),
        };
        self.broken = false;
        self.used = Instant::now();
        if answers.last().is_some_and(Result::is_err) {
            self.rollback().await;
        }
        Ok(answers)
    }

    /// [`Session::turn`] whose first error is a fault.
    pub(crate) async fn answers(
        &mut self,
        operation: &'static str,
        place: &str,
        asks: &[Ask<'_>],
    ) -> Result<Vec<Answer>, Fault> {
        let answers = self.turn(operation, asks).await?;
        answers.into_iter().map(|answer| answer.map_err(|error| error.fault(operation, place))).collect()
    }

    /// Reads in a transaction of its own, in one turn: every statement sees what was committed when it began.
    pub(crate) async fn read(
        &mut self,
        operation: &'static str,
        place: &str,
        queries: &[&Sql],
    ) -> Result<Vec<Answer>, Fault> {
        let mut asks = vec![Ask::Begin];
        asks.extend(queries.iter().map(|sql| Ask::Query(sql)));
        asks.push(Ask::Say("commit"));
        let stoppable = Arc::clone(&self.stoppable);
        let _under_way = stoppable.under_way();
        let mut answers = self.answers(operation, place, &asks).await?;
        answers.pop();
        answers.remove(0);
        Ok(answers)
    }

    /// Rolls an open transaction back. A session that does not answer to this is of no use.
    pub(crate) async fn rollback(&mut self) {
        if self.broken {
            return;
        }
        self.broken = true;
        if let Ok(Ok(answers)) =
            timeout(self.link.call_timeout(), turn::exchange(&mut self.conn, "rollback".into(), &[1])).await
        {
            self.broken = answers.iter().any(Result::is_err);
        }
    }

    /// The server would go on, holding its locks: it is asked to end the session. Whether it did is not known here.
    async fn give_up(&self, operation: &'static str, place: &str, limit: Duration) -> Fault {
        drop(timeout(END_TIMEOUT, Box::pin(self.link.end(&self.known()))).await);
        let detail = format!("no answer in {} ms", limit.as_millis());
        Fault::new(FaultClass::Disconnected, operation, place).with_detail(detail)
    }

    /// Whether the session can be used for something else. One that lay idle for long is asked.
    async fn is_fit(&mut self) -> bool {
        if self.broken {
            return false;
        }
        if self.used.elapsed() < IDLE_TRUSTED {
            return true;
        }
        matches!(timeout(END_TIMEOUT, self.conn.ping()).await, Ok(Ok(())))
    }
}

/// The text of a turn, and how many statements each part is. Absent: a statement names a value that there is not.
fn packet(asks: &[Ask<'_>]) -> Option<(String, Vec<usize>)> {
    let mut text = String::new();
    let mut counts = vec![];
    for ask in asks {
        if !text.is_empty() {
            text.push_str("; ");
        }
        let count = match ask {
            Ask::Begin => {
                text.push_str(setup::BEGIN);
                setup::BEGIN_STATEMENTS
            }
            Ask::BeginMarked => {
                text.push_str(setup::BEGIN);
                text.push_str("; ");
                setup::BEGIN_STATEMENTS + say(&mut text, MARK)
            }
            Ask::Still => say(&mut text, STILL),
            Ask::StillMarked => {
                let still = say(&mut text, STILL);
                text.push_str("; ");
                still + say(&mut text, MARK)
            }
            Ask::Say(said) => say(&mut text, said),
            Ask::Query(sql) => {
                if !sql.render(&mut text) {
                    return None;
                }
                1
            }
        };
        counts.push(count);
    }
    Some((text, counts))
}

fn say(text: &mut String, said: &str) -> usize {
    text.push_str(said);
    1
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
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let fit = match &mut idle {
            Some(session) => session.is_fit().await,
            None => false,
        };
        let session = match idle.filter(|_| fit) {
            Some(session) => session,
            None => self.link.open().await?,
        };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((session.known(), Arc::clone(&session.stoppable)));
        Ok(Held { session, slot: Arc::clone(self), _permit: permit })
    }

    /// Asks the server to stop what the session that is out is at, if that may be stopped.
    pub(crate) async fn cancel(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((known, _)) = running.filter(|(_, stoppable)| stoppable.stop()) {
            drop(timeout(END_TIMEOUT, Box::pin(self.link.stop(&known))).await);
        }
    }

    /// The server's number of the session that lies here, if one does.
    pub(crate) fn idle_id(&self) -> Option<u64> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Session::id)
    }

    /// Closes the session, and lets nobody make another.
    pub(crate) fn close(&self) {
        self.gate.close();
        drop(self.idle.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

// === impl Held ===

impl Held {
    /// Puts the session back. Only for one without an open transaction; one that lost an answer is closed instead.
    pub(crate) fn give_back(self) {
        let Self { session, slot, _permit } = self;
        slot.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if !session.broken && !slot.gate.is_closed() {
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

impl std::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
