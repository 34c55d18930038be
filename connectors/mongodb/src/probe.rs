//! What a server only pretends. Whether an abort undoes, and whether a write waits for others, is tried on documents of our
//! own and never believed: a server was seen that accepts an abort and keeps the write.

use std::time::Duration;

use forgetd_connector::Fault;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};

use crate::connect::Link;
use crate::error::{Failure, Fate, odd};

/// The two collections of the probe: some servers have transactions inside one only.
pub(crate) const COLLECTIONS: [&str; 2] = ["probe", "probe_other"];

/// More members than any set has.
const MEMBERS: u32 = 50;

/// How long they are waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) transactions: Transactions,
    /// False: a write was said to have reached more members than there are.
    pub(crate) write_concern_is_real: bool,
}

/// What became of a transaction over two collections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transactions {
    /// The aborted one left nothing, the committed one left both.
    Real,
    /// The server refused one, with this code where it gave any.
    Refused(Option<String>),
    /// What was aborted was there all the same.
    AbortedPersisted,
    /// What was committed was not, or not whole.
    CommittedLost,
}

// === impl Probed ===

impl Probed {
    /// Why effect and receipt belong together as they do on such a server.
    pub(crate) fn words(&self) -> String {
        let why = match &self.transactions {
            Transactions::Real => "transactions are real, and not used".into(),
            Transactions::Refused(Some(code)) => format!("transactions refused, code {code}"),
            Transactions::Refused(None) => "transactions refused".into(),
            Transactions::AbortedPersisted => "aborted write persisted".into(),
            Transactions::CommittedLost => "committed write lost".into(),
        };
        let concern = if self.write_concern_is_real { "" } else { "; write concern only pretended" };
        format!("{why}{concern}")
    }

    /// As it is stored, with whose server it was.
    pub(crate) fn to_document(&self, identity: &str) -> Document {
        let (word, code) = match &self.transactions {
            Transactions::Real => ("real", None),
            Transactions::Refused(code) => ("refused", code.clone()),
            Transactions::AbortedPersisted => ("aborted_persisted", None),
            Transactions::CommittedLost => ("committed_lost", None),
        };
        doc! { "identity": identity, "transactions": word, "code": code, "write_concern_is_real": self.write_concern_is_real }
    }

    /// Reads [`Self::to_document`]; absent where it was another server.
    pub(crate) fn from_document(stored: &Document, identity: &str) -> Option<Self> {
        stored.get_str("identity").ok().filter(|stored| *stored == identity)?;
        let transactions = match stored.get_str("transactions").ok()? {
            "real" => Transactions::Real,
            "refused" => Transactions::Refused(stored.get_str("code").ok().map(str::to_owned)),
            "aborted_persisted" => Transactions::AbortedPersisted,
            "committed_lost" => Transactions::CommittedLost,
            _ => return None,
        };
        Some(Self { transactions, write_concern_is_real: stored.get_bool("write_concern_is_real").ok()? })
    }
}

/// Tries both. The collections of the probe must be there; they are left as they were found.
pub(crate) async fn probe(link: &Link) -> Result<Probed, Fault> {
    let id = random(link)?;
    let transactions = transactions(link, &id).await;
    let concern = write_concern(link, &id).await;
    // Whatever came out of it.
    clean(link, &id).await?;
    Ok(Probed { transactions: transactions?, write_concern_is_real: concern? })
}

async fn transactions(link: &Link, id: &str) -> Result<Transactions, Failure> {
    let mut session = call(link, link.client.start_session()).await?;
    if let Some(refused) = begin_and_write(link, &mut session, &format!("{id}a")).await? {
        // What the server did instead is still looked at.
        drop(call(link, session.abort_transaction()).await);
        let kept = there(link, &format!("{id}a")).await? > 0;
        return Ok(if kept { Transactions::AbortedPersisted } else { refused });
    }
    // The answer to an abort says nothing: the driver hides the server's.
    drop(call(link, session.abort_transaction()).await);
    if there(link, &format!("{id}a")).await? > 0 {
        return Ok(Transactions::AbortedPersisted);
    }
    if let Some(refused) = begin_and_write(link, &mut session, &format!("{id}c")).await? {
        drop(call(link, session.abort_transaction()).await);
        return Ok(refused);
    }
    if let Err(failure) = call(link, session.commit_transaction()).await {
        return refused(failure);
    }
    Ok(if there(link, &format!("{id}c")).await? == COLLECTIONS.len() {
        Transactions::Real
    } else {
        Transactions::CommittedLost
    })
}

/// Begins, and writes to both collections; says if the server refused.
async fn begin_and_write(link: &Link, session: &mut ClientSession, id: &str) -> Result<Option<Transactions>, Failure> {
    if let Err(failure) = call(link, session.start_transaction()).await {
        return refused(failure).map(Some);
    }
    for name in COLLECTIONS {
        let collection = link.own(name);
        if let Err(failure) = call(link, collection.insert_one(doc! { "_id": id }).session(&mut *session)).await {
            return refused(failure).map(Some);
        }
    }
    Ok(None)
}

/// A refusal has a code; what has none is a failure of the probe itself.
fn refused(failure: Failure) -> Result<Transactions, Failure> {
    match failure.fault.code {
        Some(code) => Ok(Transactions::Refused(Some(code))),
        None if failure.fate == Fate::Nothing => Ok(Transactions::Refused(None)),
        None => Err(failure),
    }
}

async fn write_concern(link: &Link, id: &str) -> Result<bool, Failure> {
    let concern = WriteConcern::builder().w(Acknowledgment::Nodes(MEMBERS)).w_timeout(PATIENCE).build();
    let collection = link.own(COLLECTIONS[0]);
    let written = collection.insert_one(doc! { "_id": format!("{id}w") }).write_concern(concern);
    match call(link, written).await {
        Ok(_) => Ok(false),
        Err(failure) if failure.fault.code.is_some() => Ok(true),
        Err(failure) => Err(failure),
    }
}

/// In how many of the collections a document is, as everybody sees them.
async fn there(link: &Link, id: &str) -> Result<usize, Failure> {
    let mut found = 0;
    for name in COLLECTIONS {
        let collection = link.own(name);
        found += usize::from(call(link, collection.find_one(doc! { "_id": id })).await?.is_some());
    }
    Ok(found)
}

async fn clean(link: &Link, id: &str) -> Result<(), Failure> {
    let ids: Vec<String> = ["a", "c", "w"].iter().map(|end| format!("{id}{end}")).collect();
    for name in COLLECTIONS {
        let collection = link.own(name);
        call(link, collection.delete_many(doc! { "_id": { "$in": ids.clone() } })).await?;
    }
    Ok(())
}

async fn call<T>(link: &Link, work: impl IntoFuture<Output = mongodb::error::Result<T>>) -> Result<T, Failure> {
    link.call("probe server", &link.control_place(), work).await
}

fn random(link: &Link) -> Result<String, Fault> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|_| odd("probe server", &link.control_place()))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::{Probed, Transactions};

    #[test]
    fn what_was_probed_is_remembered_for_that_server_alone() {
        for (transactions, words) in [
            (Transactions::Real, "transactions are real, and not used"),
            (Transactions::Refused(Some("20".into())), "transactions refused, code 20"),
            (Transactions::Refused(None), "transactions refused"),
            (Transactions::AbortedPersisted, "aborted write persisted"),
            (Transactions::CommittedLost, "committed write lost"),
        ] {
            let probed = Probed { transactions, write_concern_is_real: true };
            assert_eq!(probed.words(), words);
            let stored = probed.to_document("rs0/a:1");
            assert_eq!(Probed::from_document(&stored, "rs0/a:1"), Some(probed));
            assert_eq!(Probed::from_document(&stored, "rs0/b:1"), None);
        }
    }
}
