//! The sealed lane: keys in their order, cut into batches, and changes that are guarded by keys and filter both.
//!
//! A key that was picked is a promise of nothing: the server judges each document again at the moment it changes it. A write
//! to several documents can stop in the middle here, so what is told is what the server counted, and what is left.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{
    Cause, Fault, FaultClass, Key, LaneClaim, Next, Order, Outcome, Picked, SealedLane, Step, Transform, fault_point,
};
use mongodb::bson::{Bson, Document, RawDocumentBuf, cstr, doc};

use crate::catalog;
use crate::codec;
use crate::connect::Link;
use crate::connector::Shared;
use crate::error::Failure;
use crate::flavour;
use crate::pick::Walk;
use crate::query::{Scope, by_key, guarded};
use crate::rewrite::{COMMAND_BYTES_MAX, Rewriting, Rewritten, STATEMENTS_MAX};
use crate::shard::{self, Lies, ShardKey};
use crate::walk;

/// A lane of one step.
pub(crate) struct SealedKeys {
    ground: Arc<Ground>,
    walk: Option<Walk>,
    /// Documents that calls changed which failed later, and that no outcome said yet.
    owed: u64,
}

/// What every statement of a lane works on.
pub(crate) struct Ground {
    pub(crate) shared: Arc<Shared>,
    pub(crate) step: Step,
    pub(crate) scope: Scope,
    pub(crate) place: String,
    claim: LaneClaim,
    /// No statement of the lane runs longer on the server: below the lease time.
    patience: Duration,
    rewriting: Option<Rewriting>,
    /// What else must hold of a document that is not done.
    pub(crate) own_without_signs: Document,
    /// Where the collection lies in shards.
    pub(crate) shard: Option<ShardKey>,
}

// === impl SealedKeys ===

impl SealedKeys {
    /// Resolves the step against the collection as it is now.
    pub(crate) async fn open(
        shared: Arc<Shared>,
        step: &Step,
        claim: &LaneClaim,
        transform: Arc<dyn Transform>,
    ) -> Result<Self, Fault> {
        let place = step.place(&shared.link.context.database);
        let scope = catalog::scope(&shared.link, step, shared.joins_by_field()).await?;
        let rewriting = match step.rewrite() {
            Some(rewrite) => Some(Rewriting::new(rewrite, &step.selection.undone, transform, &place)?),
            None => None,
        };
        let own_without_signs = Scope::own_without_signs(step, shared.joins_by_field(), &place)?;
        let shard = match shard::of(&shared, &step.table.name, &place).await? {
            Lies::Together => None,
            Lies::Apart(key) => Some(key),
            Lies::Unknown => return Err(shard::unknown("open lane", &place)),
        };
        let patience = Duration::from_millis(claim.idle_ms_max).min(shared.link.call_timeout());
        Ok(Self {
            ground: Arc::new(Ground {
                shared,
                step: step.clone(),
                scope,
                place,
                claim: claim.clone(),
                patience,
                rewriting,
                own_without_signs,
                shard,
            }),
            walk: None,
            owed: 0,
        })
    }
}

// === impl Ground ===

impl Ground {
    pub(crate) fn link(&self) -> &Link {
        &self.shared.link
    }

    /// What failed while keys were picked.
    pub(crate) fn failed(&self, error: &mongodb::error::Error) -> Failure {
        Failure::of(error, "pick", &self.place)
    }

    /// Which of the keys are due.
    pub(crate) async fn due(&self, operation: &'static str, keys: &[Bson]) -> Result<Vec<Bson>, Failure> {
        let mut stages = self.scope.stages(Some(among(keys)));
        stages.push(doc! { "$project": { "_id": 1 } });
        let found = self.link().read(operation, &self.step.table.name, &self.scope, stages).await?;
        Ok(found.into_iter().filter_map(|mut found| found.remove("_id")).collect())
    }

    async fn left(&self, operation: &'static str, keys: &[Bson]) -> Result<u64, Failure> {
        let stages = self.scope.stages(Some(among(keys)));
        self.link().count(operation, &self.step.table.name, &self.scope, stages, None).await
    }

    /// Deletes those of the keys that are due; adds how many, also where it comes no further.
    async fn delete(&self, keys: &[Bson], deleted: &mut u64) -> Result<(), Failure> {
        if let Some(shard) = &self.shard {
            return self.delete_apart(shard, keys, deleted).await;
        }
        // What lies in another collection is judged right before: activity of this very moment can be missed.
        let judged = match self.scope.lookups.as_slice() {
            [] => Cow::Borrowed(keys),
            _ => Cow::Owned(self.due("finish", keys).await?),
        };
        if judged.is_empty() {
            return Ok(());
        }
        let statement = self.deletion(0, among(&judged));
        self.send_deletions(vec![statement], deleted).await
    }

    /// The same where the collection lies in shards: each document by its own statement, to the shard that it lies in.
    async fn delete_apart(&self, shard: &ShardKey, keys: &[Bson], deleted: &mut u64) -> Result<(), Failure> {
        let mut project = doc! { "_id": 1 };
        project.extend(shard.beside_id().map(|field| (field.dotted(), Bson::Int32(1))));
        let mut stages = self.scope.stages(Some(among(keys)));
        stages.push(doc! { "$project": project });
        let due = self.link().read("finish", &self.step.table.name, &self.scope, stages).await?;
        let (mut bytes, mut statements) = (0, vec![]);
        for document in &due {
            let statement = self.deletion(1, shard.holds(document));
            bytes += statement.to_vec().map_or(0, |bytes| bytes.len());
            statements.push(statement);
            if bytes >= COMMAND_BYTES_MAX || statements.len() >= STATEMENTS_MAX {
                self.send_deletions(std::mem::take(&mut statements), deleted).await?;
                bytes = 0;
            }
        }
        if statements.is_empty() { Ok(()) } else { self.send_deletions(statements, deleted).await }
    }

    /// The statement that deletes what is due among some documents: one of them, or with a limit of 0 all.
    fn deletion(&self, limit: i32, among: Document) -> Document {
        let mut statement = doc! { "limit": limit };
        if flavour::takes_hints(&self.shared.facts) {
            statement.insert("hint", by_key());
        }
        self.statement(statement, among)
    }

    async fn send_deletions(&self, statements: Vec<Document>, deleted: &mut u64) -> Result<(), Failure> {
        let command = doc! { "delete": &self.step.table.name.name, "deletes": statements, "ordered": false };
        let written = self.write(self.raw(&command)?).await?;
        match Failure::of_written(&written, "finish", &self.place) {
            Some(failure) => Err(failure),
            None => {
                *deleted += written.n;
                Ok(())
            }
        }
    }

    /// A statement on what is due among some documents.
    fn statement(&self, statement: Document, among: Document) -> Document {
        self.filtered(statement, guarded(among, &self.scope.own))
    }

    /// A statement with a filter of its own.
    pub(crate) fn filtered(&self, mut statement: Document, filter: Document) -> Document {
        statement.insert("q", filter);
        if self.scope.collated {
            statement.insert("collation", doc! { "locale": "simple" });
        }
        statement
    }

    /// Sends a write command that ends before the lease does, or none where that is over.
    pub(crate) async fn write(&self, mut command: RawDocumentBuf) -> Result<crate::reply::Written, Failure> {
        let left = self.claim.in_time("finish", &self.place).map_err(Failure::unsent)?;
        let patience = i64::try_from(self.patience.min(left).as_millis()).unwrap_or(i64::MAX).max(1);
        command.append(cstr!("maxTimeMS"), patience);
        if flavour::takes_hints(&self.shared.facts) {
            command.append(cstr!("comment"), format!("forgetd {}", self.step.rule));
        }
        self.link().write("finish", &self.place, &self.link().database_of(&self.step.table.name), command).await
    }

    /// A document as it is sent.
    pub(crate) fn raw(&self, document: &Document) -> Result<RawDocumentBuf, Failure> {
        RawDocumentBuf::try_from(document).map_err(|error| Failure::of(&error.into(), "finish", &self.place))
    }

    /// Changes the keys' documents and looks at them; `done` says what was done also where it comes no further.
    async fn finished(&self, keys: &[Bson], done: &mut Rewritten) -> Result<Outcome, Failure> {
        match &self.rewriting {
            Some(rewriting) => self.rewrite(rewriting, keys, done).await?,
            None => self.delete(keys, &mut done.changed).await?,
        }
        let (changed, unfit) = (done.changed, std::mem::take(&mut done.unfit));
        // In shards two documents may have one key, so that as many changes as keys say nothing.
        let all = self.shard.is_none() && changed == keys.len() as u64;
        let left = if all { 0 } else { self.left("finish", keys).await? };
        let sealed = keys.len() as u64;
        // One that was changed and became due again meanwhile was changed all the same.
        let gone = sealed.saturating_sub(left).max(changed).min(sealed);
        Ok(Outcome { changed: changed.min(gone), gone, kept: sealed - gone, unfit, ..Outcome::default() })
    }

    fn ids(&self, operation: &'static str, keys: &[Key]) -> Result<Vec<Bson>, Fault> {
        let unknown = || Fault::new(FaultClass::Internal, operation, &self.place).with_detail("a key is none of ours");
        keys.iter().map(walk::id).collect::<Option<_>>().ok_or_else(unknown)
    }
}

/// These keys.
pub(crate) fn among(keys: &[Bson]) -> Document {
    doc! { "_id": { "$in": keys } }
}

#[async_trait]
impl SealedLane for SealedKeys {
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault> {
        fault_point::before("pick")?;
        self.owed = 0;
        let from = match &order.from {
            None => None,
            Some(cursor) => Some(walk::position(cursor).ok_or_else(|| {
                let fault = Fault::new(FaultClass::Internal, "pick", &self.ground.place);
                fault.with_detail("the resume position is none of ours")
            })?),
        };
        let (ids, walk) = self.ground.take(self.walk.take(), from, order.rows_max.max(1)).await?;
        self.walk = walk;
        fault_point::after("pick")?;
        let next = match ids.last() {
            Some(last) if self.walk.is_some() => Next::At(walk::cursor(last)),
            _ => Next::End,
        };
        Ok(Picked { keys: ids.iter().map(|id| Key(vec![codec::value(id)])).collect(), next })
    }

    async fn finish(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        if keys.is_empty() {
            return Ok(Outcome::default());
        }
        let ids = self.ground.ids("finish", keys)?;
        fault_point::before("finish")?;
        let mut done = Rewritten::default();
        let finished = self.ground.finished(&ids, &mut done).await;
        if finished.is_err() {
            self.owed += done.changed;
        }
        let mut outcome = finished?;
        fault_point::after("finish")?;
        outcome.changed = (outcome.changed + std::mem::take(&mut self.owed)).min(outcome.gone);
        Ok(outcome)
    }

    fn owed(&mut self) -> u64 {
        std::mem::take(&mut self.owed)
    }

    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        let ids = self.ground.ids("look", keys)?;
        let kept = if ids.is_empty() { 0 } else { self.ground.left("look", &ids).await? };
        Ok(Outcome { gone: (ids.len() as u64).saturating_sub(kept), kept, ..Outcome::default() })
    }
}

/// What a step must be for a lane.
pub(crate) fn refused(step: &Step, place: &str) -> Option<Fault> {
    let fault = |cause| Fault::new(FaultClass::Blocked(cause), "open lane", place);
    (step.atomicity.is_atomic())
        .then(|| fault(Cause::Unsupported).with_detail("documents are changed in sealed batches"))
}
