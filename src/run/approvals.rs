//! The rulebook as a run reads and writes it: what is approved, by whom or by what.

use forgetd_connector::{ApprovedRow, Cause, Commit, Fault, PendingRow};
use jiff::Timestamp;

use super::{Outcome, Session, Site, close};
use crate::evidence::canonical;
use crate::evidence::entry::{Approval, EntryBody};
use crate::guard::{self, Book, HOLDS, Once, Standing};
use crate::rules::Rule;

/// How often a row is written after a lost answer: the same row again changes nothing.
const KEEP_TRIES_MAX: u32 = 3;

/// What a person approves of one rule, as it was shown.
#[derive(Clone, Debug)]
pub struct RuleApproval<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What stops its next run.
    pub causes: Vec<Cause>,
    /// Digest of what the rule depends on in the described tables.
    pub catalog: String,
    /// Rows that were due.
    pub due: u64,
    /// The cutoff.
    pub cutoff: Timestamp,
}

/// Who approves, and why.
#[derive(Clone, Copy, Debug)]
pub struct Approver<'a> {
    /// As the environment says; nothing makes sure of it.
    pub who: &'a str,
    /// In that person's words; may be empty.
    pub reason: &'a str,
}

impl Session<'_> {
    /// The rulebook of one rule.
    pub(super) async fn book(&self, rule: &Rule) -> Result<Book, Fault> {
        Ok(Book::read(self.sites.home()?.control.rule(&rule.name).await?))
    }

    /// Writes it back.
    pub(super) async fn keep_book(&self, rule: &Rule, book: &Book) -> Result<(), Fault> {
        let home = self.sites.home()?;
        let row = book.row(&rule.name);
        let mut tries = 0;
        loop {
            tries += 1;
            match home.control.keep_rule(&row, self.tenure.claim.term()).await {
                Commit::Unknown(_) if tries < KEEP_TRIES_MAX => {}
                other => return close::committed(other, home.name),
            }
        }
    }

    /// Takes back what was approved of a rule that only looks now, and what waited: should it act again, it waits anew.
    pub(super) async fn withdraw(&self, rule: &Rule) -> Result<(), Fault> {
        let mut book = self.book(rule).await?;
        if book.approved.is_none() && book.pending.is_none() && book.once.is_none() {
            return Ok(());
        }
        (book.approved, book.pending, book.once) = (None, None, None);
        self.keep_book(rule, &book).await
    }

    /// Brings the rulebook to where the rule stands with its approval at `now`: a narrower definition and one that has
    /// waited long enough are approved, a new one begins to wait.
    pub(super) async fn settle_standing(
        &self,
        site: &Site<'_>,
        rule: &Rule,
        book: &mut Book,
        catalog: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let digest = rule.digest();
        let (how, catalog) = match guard::standing(rule, book, now) {
            Standing::Approved if book.pending.is_none() => return Ok(()),
            Standing::Approved => {
                // What waited is gone from the policy: should it come back, it waits anew.
                book.pending = None;
                return self.keep_book(rule, book).await;
            }
            Standing::Waits(_) if book.pending.as_ref().is_some_and(|pending| pending.digest == digest) => {
                return Ok(());
            }
            Standing::Waits(_) => {
                book.pending = Some(PendingRow { digest, since: now });
                return self.keep_book(rule, book).await;
            }
            // It reads the same columns as before, so a change of the tables is still what it was.
            Standing::Narrower => {
                ("narrower", book.approved.as_ref().map_or(catalog, |approved| &approved.catalog_digest).to_owned())
            }
            Standing::Waited => ("waited", catalog.to_owned()),
        };
        let entry = Approval {
            rule_digest: digest.clone(),
            catalog_digest: catalog.clone(),
            how,
            causes: vec![],
            who: String::new(),
            reason: String::new(),
            authenticated: false,
            signed: None,
            required: None,
            due: None,
            cutoff: None,
        };
        self.note(site, &rule.name, "", &EntryBody::Approval(Box::new(entry))).await?;
        let row = ApprovedRow {
            digest,
            definition: definition(rule),
            catalog_digest: catalog,
            how: how.into(),
            who: String::new(),
            reason: String::new(),
            at: now,
        };
        (book.approved, book.pending) = (Some(row), None);
        self.keep_book(rule, book).await
    }

    /// Writes one approval that nobody signed: into the evidence first. It approves nothing where the policy names
    /// approvers.
    pub(super) async fn approve_rule(&self, approval: &RuleApproval<'_>, by: Approver<'_>) -> Result<Outcome, Fault> {
        let (rule, approvers) = (approval.rule, &self.config.policy.approvers);
        let site = self.sites.site(&rule.database)?;
        let now = self.sites.home()?.connector.now().await?;
        let mut entry = entry(approval, by);
        if !approvers.is_empty() {
            (entry.how, entry.required) = ("unsigned", Some(approvers.required));
        }
        self.note(site, &rule.name, "", &EntryBody::Approval(Box::new(entry))).await?;
        if !approvers.is_empty() {
            return Ok(Outcome::Noted { who: by.who.into(), required: approvers.required });
        }
        let mut book = self.book(rule).await?;
        approve(&mut book, approval, by, now);
        self.keep_book(rule, &book).await?;
        Ok(Outcome::Approved { who: by.who.into() })
    }
}

/// The entry of a person's word that nobody signed.
pub(super) fn entry(approval: &RuleApproval<'_>, by: Approver<'_>) -> Approval {
    Approval {
        rule_digest: approval.rule.digest(),
        catalog_digest: approval.catalog.clone(),
        how: "approved",
        causes: approval.causes.clone(),
        who: by.who.into(),
        reason: by.reason.into(),
        authenticated: false,
        signed: None,
        required: None,
        due: Some(approval.due),
        cutoff: Some(approval.cutoff),
    }
}

/// Writes into the book that the rule may act: for good, and past what stops its next run.
pub(super) fn approve(book: &mut Book, approval: &RuleApproval<'_>, by: Approver<'_>, now: Timestamp) {
    let RuleApproval { rule, causes, catalog, due, cutoff } = approval;
    let digest = rule.digest();
    let as_approved =
        book.approved.as_ref().is_some_and(|approved| approved.digest == digest && approved.catalog_digest == *catalog);
    if !as_approved {
        book.approved = Some(ApprovedRow {
            digest: digest.clone(),
            definition: definition(rule),
            catalog_digest: catalog.clone(),
            how: "approved".into(),
            who: by.who.into(),
            reason: by.reason.into(),
            at: now,
        });
    }
    book.pending = None;
    let causes: Vec<Cause> = causes.iter().copied().filter(|cause| !cause.is_approved_for_good()).collect();
    book.once = if causes.is_empty() {
        None
    } else {
        let expires = now.checked_add(HOLDS).unwrap_or(Timestamp::MAX);
        Some(Once { causes, digest, catalog: catalog.clone(), due: *due, cutoff: *cutoff, expires })
    };
}

/// The very bytes that the digest is taken of.
fn definition(rule: &Rule) -> String {
    let bytes = canonical::to_vec(&rule.definition()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
