//! The fence in a transaction: nothing is written under a term that another has passed.

use forgetd_connector::{FenceKind, fault_point};

use crate::answer::Answer;
use crate::connector::Shared;
use crate::query::Sql;

/// What stands behind a statement that shall write nothing unless the fence holds the term: `from .. where ..`.
///
/// [`Shared::fence`] stands before it in the same transaction, and nobody changes the row until that ends.
pub(super) fn only_under(shared: &Shared, term: u64, sql: &mut Sql) -> String {
    let instance = sql.bind_once(shared.link.context.instance.as_str());
    let term = sql.bind_once(term);
    format!("from {} as f where f.instance = {instance} and f.term = {term}", shared.names.table("fence"))
}

impl Shared {
    /// Tests put the wrong one on a cluster: a lock that the other nodes do not know of.
    fn kind_of_fence(&self) -> FenceKind {
        if fault_point::naive("fence_by_read") { FenceKind::Lock } else { self.looked.fence() }
    }

    /// The statement that takes the fence row, if it holds this term, so that a takeover waits for the transaction; or,
    /// where several nodes take writes, changes it, so that one of the two fails when they are compared.
    pub(crate) fn fence(&self, term: u64) -> Sql {
        let mut sql = Sql::default();
        let instance = sql.bind(self.link.context.instance.as_str());
        let term = sql.bind(term);
        let fence = self.names.table("fence");
        let text = match self.kind_of_fence() {
            FenceKind::Lock => {
                let share = self.looked.flavour.for_share();
                format!("select term from {fence} where instance = {instance} and term = {term} {share}")
            }
            FenceKind::Write => {
                format!("update {fence} set beat = beat + 1 where instance = {instance} and term = {term}")
            }
        };
        sql.say(text)
    }

    /// Whether the answer to [`Shared::fence`] says that the term stands.
    pub(crate) fn fence_holds(&self, answer: &Answer) -> bool {
        match self.kind_of_fence() {
            FenceKind::Lock => answer.rows.len() == 1,
            FenceKind::Write => answer.affected == 1,
        }
    }
}
