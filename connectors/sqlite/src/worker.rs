//! A thread that owns one connection, and the async side's way to it.
//!
//! Jobs are closures over the [`Session`]. They run one after another; at most [`QUEUE`] wait. A job whose caller went
//! away still runs to its end, and a transaction that it left open for that caller is rolled back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use forgetd_connector::{Fault, FaultClass};
use tokio::sync::{Semaphore, oneshot};

use crate::session::{Opening, Role, Session};

/// The most jobs that wait for one worker. Each caller has at most one under way, so this is never met in practice.
const QUEUE: usize = 32;

/// How much longer than the call's own timeout an answer is waited for: the worker ends a statement at the timeout
/// itself, so only a thread that hangs in the file system runs into this.
const GRACE: Duration = Duration::from_millis(500);

enum Message {
    Job(Box<dyn FnOnce(&mut Session) + Send>),
    /// Somebody left a transaction behind: look after it.
    Wake,
}

/// The handle of a worker; clones share the thread, which ends with the last of them.
#[derive(Clone)]
pub(crate) struct Worker {
    messages: SyncSender<Message>,
    slots: Arc<Semaphore>,
    timeout: Duration,
    place: Arc<str>,
}

// === impl Worker ===

impl Worker {
    /// Starts the thread. The connection is opened by the first job.
    pub(crate) fn start(opening: Opening) -> Result<Self, Fault> {
        let place: Arc<str> = opening.place.as_str().into();
        let timeout = opening.patience;
        // Wakes need no slot: there is one at most for each lane that is dropped, and a full queue wakes by itself.
        let (messages, inbox) = sync_channel(QUEUE * 2);
        let name = match opening.role {
            Role::Lane => "forgetd-sq-lane",
            Role::Control => "forgetd-sq-ctl",
            Role::Read => "forgetd-sq-read",
        };
        let session = Session::new(opening);
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || serve(session, &inbox))
            .map_err(|_| Fault::new(FaultClass::Internal, "start worker", &*place))?;
        Ok(Self { messages, slots: Arc::new(Semaphore::new(QUEUE)), timeout, place })
    }

    /// Runs `job` on the worker's thread and waits for its answer, at most the call timeout.
    ///
    /// Dropping the future does not stop the job. It rolls back whatever lane transaction the job leaves open.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        job: impl FnOnce(&mut Session) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + self.timeout;
        let fault = |class| Fault::new(class, operation, &*self.place);
        let slot = tokio::time::timeout(self.timeout, Arc::clone(&self.slots).acquire_owned())
            .await
            .map_err(|_| fault(FaultClass::Timeout))?
            .map_err(|_| fault(FaultClass::Internal))?;
        let (answer, answered) = oneshot::channel();
        let message = Message::Job(Box::new(move |session| {
            session.set_deadline(deadline);
            let begun = session.begun();
            let result = job(session);
            drop(slot);
            // Another lane's transaction is none of this caller's business.
            if answer.send(result).is_err() && session.begun() != begun {
                session.rollback();
            }
        }));
        self.messages.try_send(message).map_err(|_| fault(FaultClass::Internal).with_detail("the worker is gone"))?;
        match tokio::time::timeout(self.timeout + GRACE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(fault(FaultClass::Internal).with_detail("the worker is gone")),
            Err(_) => Err(fault(FaultClass::Timeout).with_detail("the file system does not answer")),
        }
    }

    /// The database's name.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Makes the worker look for abandoned transactions.
    pub(crate) fn wake(&self) {
        // A full queue is a worker that looks anyway, a closed one has nothing open.
        drop(self.messages.try_send(Message::Wake));
    }
}

fn serve(mut session: Session, inbox: &Receiver<Message>) {
    loop {
        let message = match session.idle_left() {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(left) => inbox.recv_timeout(left),
        };
        match message {
            Ok(Message::Job(job)) => job(&mut session),
            Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        session.sweep();
    }
    session.close();
}
