//! A session: the lease, the fences, the evidence log, and the rules that run under them.

mod approvals;
mod destroy_key;
mod key_log;
mod keys;
mod stand;
mod tenure;
mod wave;

pub use destroy_key::{KeyDestroyedAt, KeyDestruction, KeyEntry, KeyStopped};
pub use tenure::Tenure;
pub use wave::{Firing, Told, Turn};

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use forgetd_connector::{Atomicity, Cause, Commit, Fault, FaultClass, FenceRaise, Lease};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::clerk::{Clerk, NO_LANE, Subject};
use super::close;
use super::pseudonyms::Pseudonyms;
use super::seals::{self, SealedRule};
use super::standing::Standing;
use super::{Pace, Progress, Report, Site, Sites, Verdict};
use secrecy::ExposeSecret as _;

use crate::clock;
use crate::config::{Config, Problem, Store};
use crate::evidence::entry::EntryBody;
use crate::evidence::{EvidenceFault, Relay, RelayConfig, StoreAt};
use crate::keys::EvidenceKey;
use crate::lease;
use crate::rules::{Difference, Rule};
use crate::throttle::{Gate, Rest, RowRate};

/// Of a policy with more rules no entry names what changed in each.
const NAMED_RULES_MAX: usize = 200;

/// How often receipts are relayed while runs go on.
const RELAY_EVERY: Duration = Duration::from_secs(1);

/// Why no rule ran at all.
#[derive(Debug)]
pub enum Refused {
    /// Another process holds the lease.
    NotHolder(Lease),
    /// Another process keeps the home database locked.
    Locked(Fault),
    /// The home database did not answer.
    Unavailable(Fault),
    /// The evidence log cannot even be named.
    Evidence(EvidenceFault),
}

/// What acts: a held lease over surveyed databases with a checked evidence log.
pub struct Session<'a> {
    pub(super) config: &'a Config,
    pub(super) sites: &'a Sites<'a>,
    pub(super) key: &'a EvidenceKey,
    /// The keys of pseudonyms; where a domain has none, the rules that need it do not act.
    pub(super) pseudonyms: Pseudonyms,
    pub(super) tenure: Rc<Tenure>,
    /// What the look at the evidence log found; not set before it was taken.
    sick: OnceCell<Option<EvidenceFault>>,
    /// Why the last relay did not work, if it did not.
    unrelayed: RefCell<Option<EvidenceFault>>,
    /// Rules whose open seals could not be brought to their end, and why.
    stuck: RefCell<BTreeMap<String, Fault>>,
    /// How the rules stand.
    standings: RefCell<BTreeMap<String, Standing>>,
    backlog: Cell<u64>,
    stop: watch::Receiver<bool>,
    progress: &'a dyn Progress,
}

// === impl Session ===

impl<'a> Session<'a> {
    /// Takes the lease, waiting up to `wait` for a living holder.
    pub async fn open(
        config: &'a Config,
        sites: &'a Sites<'a>,
        key: &'a EvidenceKey,
        wait: Duration,
        stop: watch::Receiver<bool>,
        progress: &'a dyn Progress,
    ) -> Result<Self, Refused> {
        let home = sites.home().map_err(Refused::Unavailable)?;
        let tenure = Tenure::take(config, home.connector, key, wait, None).await?;
        Ok(Self::on(config, sites, key, Rc::new(tenure), stop, progress))
    }

    /// A session on a lease that is held already. Whoever took it renews it, and gives it up.
    pub fn on(
        config: &'a Config,
        sites: &'a Sites<'a>,
        key: &'a EvidenceKey,
        tenure: Rc<Tenure>,
        stop: watch::Receiver<bool>,
        progress: &'a dyn Progress,
    ) -> Self {
        let pseudonyms = Pseudonyms::of(config);
        let (backlog, sick, stuck, standings) = (Cell::new(0), OnceCell::new(), RefCell::default(), RefCell::default());
        let unrelayed = RefCell::default();
        Self { config, sites, key, pseudonyms, tenure, sick, unrelayed, stuck, standings, backlog, stop, progress }
    }

    /// Raises the fences, checks the evidence log, announces the policy and brings to an end what earlier holders left
    /// open. Until that is done nothing is relayed. New keys are announced last.
    async fn prepare(&self) -> Result<(), Refused> {
        for (database, control) in self.sites.controls() {
            match control.raise_fence(self.tenure.claim.term()).await {
                Ok(FenceRaise::Raised) => {}
                Ok(FenceRaise::Later(term)) => {
                    let holder = String::from("a later holder");
                    return Err(Refused::NotHolder(Lease { holder, term, alive: true, left_ms: 0 }));
                }
                Err(fault) => return Err(Refused::Unavailable(fault)),
            }
            tracing::debug!(database, term = self.tenure.claim.term(), "fence raised");
        }
        self.read_standings().await.map_err(Refused::Unavailable)?;
        let sick = self.tenure.trust(&self.sites.controls()).await.err();
        if let Some(fault) = &sick {
            tracing::error!(error = %fault, "the evidence log cannot be trusted: no rule acts");
        } else {
            self.announce_policy().await.map_err(Refused::Unavailable)?;
            self.bar_returned_keys().await.map_err(Refused::Unavailable)?;
            self.take_over_seals().await.map_err(Refused::Unavailable)?;
        }
        // Set once: prepare runs once.
        self.sick.get_or_init(|| sick);
        if self.is_sound() {
            self.announce_keys().await.map_err(Refused::Unavailable)?;
            self.catch_up().await.map_err(Refused::Unavailable)?;
        } else {
            self.progress.append_failed();
        }
        Ok(())
    }

    /// Counts the receipts that wait, whoever wrote them, and relays them: what cannot be relayed counts against the most
    /// that may wait.
    async fn catch_up(&self) -> Result<(), Fault> {
        let mut waiting = 0;
        for (_, control) in self.sites.controls() {
            waiting += control.pending_count().await?;
        }
        self.backlog.set(waiting);
        if waiting > 0
            && let Err(fault) = self.relay_now().await
        {
            tracing::warn!(error = %fault, waiting, "receipts could not be relayed");
        }
        Ok(())
    }

    /// Why nothing may change at all, if so.
    pub fn sick(&self) -> Option<&EvidenceFault> {
        self.sick.get().and_then(Option::as_ref)
    }

    /// Why the evidence log cannot be extended, as far as this session found out.
    pub fn evidence_problem(&self) -> Option<EvidenceFault> {
        self.sick().cloned().or_else(|| self.unrelayed.borrow().clone())
    }

    /// Why this rule may not change anything, if so.
    pub(super) fn stuck(&self, rule: &str) -> Option<Fault> {
        self.stuck.borrow().get(rule).cloned()
    }

    /// Whether the evidence log was checked and can be extended.
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.sick.get(), Some(None))
    }

    /// The clerk of one site.
    pub(super) fn clerk(&self, site: &Site<'a>) -> Result<Clerk<'_>, Fault> {
        Ok(Clerk {
            instance: &self.config.instance,
            database: site.name,
            generation: site.generation()?.clone(),
            term: self.tenure.claim.term(),
            key: self.key,
            own: self.tenure.relay.own(),
        })
    }

    /// Leaves one entry for each policy that comes into force, and for each that replaces another one while the lease is held.
    async fn announce_policy(&self) -> Result<(), Fault> {
        let policy = &self.config.policy;
        let digest = policy.digest();
        let home = self.sites.home()?;
        let controls = self.sites.controls();
        let before = self.tenure.policy();
        // When a rule fires stands in no digest, and is said all the same.
        let same = before
            .as_ref()
            .is_none_or(|before| before.digest() == digest && Difference::between(before, policy).is_empty());
        if same && self.tenure.relay.has_policy(&controls, &digest).await.map_err(evidence_fault)? {
            self.tenure.announced(policy);
            return Ok(());
        }
        // An entry has a size; the rules' digests say which rules are others, however many there are.
        let changes = before
            .filter(|_| !same && policy.rules.len() <= NAMED_RULES_MAX)
            .map(|before| Box::new(Difference::between(&before, policy)));
        let rules = policy.rules.iter().map(|rule| (rule.name.clone(), rule.digest())).collect();
        let version = env!("CARGO_PKG_VERSION").into();
        let body = EntryBody::PolicyLoaded { policy: digest.clone(), rules, version, changes };
        self.note(home, NO_LANE, "", &body).await?;
        let literals = self.key.commitment_key("policy literals");
        let text = policy.published(&|literal| hex::encode(literals.open(literal).commitment));
        self.tenure.relay.put_policy(&controls, &digest, &text).await.map_err(evidence_fault)?;
        self.tenure.announced(policy);
        Ok(())
    }

    /// Appends an entry that is no batch. Fenced is a fault here: somebody else acts.
    pub(super) async fn note(&self, site: &Site<'a>, rule: &str, run: &str, body: &EntryBody) -> Result<(), Fault> {
        let sequence = site.control.next_sequence(rule, NO_LANE).await?;
        let subject = Subject { rule, lane: NO_LANE, sequence, run };
        let receipt = self.clerk(site)?.receipt(&subject, body).map_err(|error| {
            Fault::new(FaultClass::Internal, "make receipt", site.name).with_detail(error.to_string())
        })?;
        match site.control.append(&receipt).await {
            Commit::Committed => self.tenure.relay.own().wrote(&receipt.key),
            Commit::Fenced => {
                return Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "append entry", site.name));
            }
            Commit::RolledBack(fault) | Commit::Unknown(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Brings to an end what earlier holders left open: seals, and runs of rules that are no longer there.
    async fn take_over_seals(&self) -> Result<(), Fault> {
        let policy = &self.config.policy;
        for site in self.sites.holders() {
            seals::close_orphans(site.control, &self.clerk(site)?, policy).await?;
            for row in site.control.unfinished().await? {
                if policy.rule(&row.rule).is_none() {
                    close::supersede(self, site, row).await?;
                }
            }
        }
        for rule in policy.rules.iter().filter(|rule| rule.runs()) {
            let Ok(site) = self.sites.site(&rule.database) else { continue };
            let quiet = self.config.quiet(&rule.database).until(clock::now()).is_some();
            if quiet || self.tenure.is_closed(&rule.name) {
                continue;
            }
            if site.generation().is_err() || self.atomicity(site, rule).await?.is_atomic() {
                continue;
            }
            let sealed = SealedRule {
                rule,
                connector: site.connector,
                control: site.control,
                clerk: self.clerk(site)?,
                pseudonyms: &self.pseudonyms,
                progress: self.progress,
                approved: self.book(rule).await?.approves(&rule.digest()),
            };
            match seals::take_over(&sealed, &self.config.policy, &self.tenure.claim).await {
                Err(fault) if seals::stays(&fault) => drop(self.stuck.borrow_mut().insert(rule.name.clone(), fault)),
                taken => {
                    taken?;
                    self.tenure.close(&rule.name);
                }
            }
        }
        Ok(())
    }

    /// How a rule's batches are written. A table that cannot be described is as its database: its rule will say what is
    /// wrong.
    async fn atomicity(&self, site: &Site<'_>, rule: &Rule) -> Result<Atomicity, Fault> {
        if !site.connector.capabilities().mixed {
            return Ok(site.atomicity);
        }
        let catalog = site.connector.describe(std::slice::from_ref(&rule.table)).await?;
        let own = catalog.table(&rule.table).map_or(Atomicity::Atomic, |table| table.atomicity);
        Ok(site.atomicity.and(own))
    }

    /// Runs these rules one after another, relaying receipts meanwhile, and releases the lease.
    pub async fn run(self, rules: &[&Rule]) -> Result<Vec<Report>, Refused> {
        let reports = self.kept(Box::pin(self.run_rules(rules, false))).await;
        self.release().await;
        reports
    }

    /// The same for those of the rules that are overdue: a fire time passed since they were last served, or they never
    /// were.
    pub async fn run_overdue(self, rules: &[&Rule]) -> Result<Vec<Report>, Refused> {
        let reports = self.kept(Box::pin(self.run_rules(rules, true))).await;
        self.release().await;
        reports
    }

    async fn run_rules(&self, rules: &[&Rule], overdue: bool) -> Result<Vec<Report>, Refused> {
        self.prepare().await?;
        let mut reports = Vec::with_capacity(rules.len());
        for rule in rules {
            let now = clock::now();
            if overdue {
                self.pass_late(rule, now, None).await;
                if !self.is_overdue(rule, now) {
                    continue;
                }
            }
            let report = match self.rests(rule) {
                Some(report) => report,
                None => {
                    let report = self.run_rule(rule).await;
                    self.stand(rule, &report, overdue.then_some(now)).await;
                    report
                }
            };
            reports.push(report);
        }
        if self.is_sound() {
            self.finish(&mut reports).await;
        }
        Ok(reports)
    }

    /// Renews the lease and relays receipts while `work` goes on.
    async fn kept<T>(&self, work: impl Future<Output = T>) -> T {
        let (stop, stopped) = watch::channel(false);
        let work = async {
            let done = work.await;
            stop.send_replace(true);
            done
        };
        let keep = async {
            if let Ok(home) = self.sites.home() {
                lease::keep(home.control, &self.tenure.claim, stopped.clone()).await;
            }
        };
        let (done, (), ()) = tokio::join!(work, keep, self.relay_until(stopped.clone()));
        done
    }

    /// Why a run of the rule is not begun now, if so: the process is to end, or its database has a quiet window. Nothing
    /// is to be written down about it.
    fn rests(&self, rule: &Rule) -> Option<Report> {
        let report = Report::new(rule, String::new());
        if *self.stop.borrow() {
            return Some(report.ended(Verdict::Partial, Some(Cause::Interrupted), None));
        }
        let end = self.config.quiet(&rule.database).until(clock::now())?;
        let detail = format!("database {} has a quiet window until {end}", rule.database);
        Some(report.ended(Verdict::Partial, Some(Cause::QuietWindow), Some(detail)))
    }

    async fn run_rule(&self, rule: &Rule) -> Report {
        let site = match self.sites.site(&rule.database) {
            Ok(site) => site,
            Err(fault) => {
                return super::rule::refused(self, rule, Report::new(rule, super::rule::new_run()), fault.into()).await;
            }
        };
        let throttle = &site.settings.throttle;
        let rate = throttle.rows_per_second_max.map(|rows| RowRate::new(rows, Instant::now()));
        let capabilities = site.connector.capabilities();
        let batch_rows_max = throttle.rows_max(rule).min(capabilities.batch_rows_max);
        let share = throttle.share_beside_others.unwrap_or(capabilities.share_beside_others);
        let pace = Pace {
            batch_rows_max: batch_rows_max.min(rate.as_ref().map_or(u32::MAX, RowRate::rows_max)),
            batch_target: throttle.batch_target,
            receipts_pending_max: self.config.evidence.receipts_pending_max,
            backlog: &self.backlog,
            quiet: self.config.quiet(&rule.database),
            gate: &Gate::new(super::watch::limits(throttle)),
            readings: watch::Sender::new(None),
            pause_max: throttle.pause_max,
            rate: RefCell::new(rate),
            rest: RefCell::new(Rest::new(share, Instant::now())),
            stop: self.stop.clone(),
            progress: self.progress,
        };
        super::rule::run(self, rule, &pace).await
    }

    /// Relays every second until `stopped`. Errors are logged; the backlog they cause stops the walk.
    async fn relay_until(&self, mut stopped: watch::Receiver<bool>) {
        while timeout(RELAY_EVERY, stopped.wait_for(|stopped| *stopped)).await.is_err() {
            if self.is_sound()
                && self.tenure.claim.alive()
                && let Err(fault) = self.relay_now().await
            {
                tracing::warn!(error = %fault, "receipts could not be relayed");
            }
        }
    }

    async fn relay_now(&self) -> Result<(), EvidenceFault> {
        if !self.tenure.claim.alive() {
            let found = "the lease ran out before the receipts were relayed; the next holder relays them";
            return Err(EvidenceFault::new(Cause::Fenced, &self.config.instance, found));
        }
        let before = self.backlog.get();
        let relayed = self.tenure.relay.relay(self.tenure.claim.term(), &self.sites.controls()).await;
        self.progress.appended(self.tenure.relay.take_added());
        if relayed.is_err() {
            self.progress.append_failed();
        }
        relayed?;
        // Batches committed while the relay worked still wait.
        self.backlog.set(self.backlog.get().saturating_sub(before));
        Ok(())
    }

    /// The last relay, and pruning. A run whose evidence could not be relayed is not clean: its receipts
    /// are safe, but nobody outside can see them.
    async fn finish(&self, reports: &mut [Report]) {
        let keep = self.config.evidence.receipt_keep;
        if let Err(fault) = self.relay_now().await {
            tracing::error!(error = %fault, "receipts could not be relayed");
            self.tenure.doubt();
            *self.unrelayed.borrow_mut() = Some(fault.clone());
            for report in reports.iter_mut().filter(|report| report.verdict == Verdict::Clean) {
                report.verdict = Verdict::Partial;
                report.cause = Some(fault.cause);
                report.detail = Some(fault.to_string());
            }
        } else if let Err(fault) = self.tenure.relay.prune(&self.sites.controls(), keep.as_secs()).await {
            tracing::warn!(error = %fault, "old receipts could not be pruned");
        }
    }

    async fn release(&self) {
        if let Ok(home) = self.sites.home()
            && let Err(fault) = home.control.release(self.tenure.claim.holder(), self.tenure.claim.term()).await
        {
            tracing::warn!(error = %fault, "the lease could not be released; it expires by itself");
        }
    }
}

/// The key that signs evidence.
pub fn signing_key(config: &Config) -> Result<EvidenceKey, Problem> {
    let text = config.evidence.signing_key.read()?;
    EvidenceKey::from_file_text(text.expose_secret()).map_err(|error| {
        Problem::new("evidence.signing_key", error.to_string(), "make one with `forgetd keys new evidence --out FILE`")
    })
}

/// The relay of a configuration.
pub(crate) fn relay(config: &Config, key: &EvidenceKey) -> Result<Relay, EvidenceFault> {
    let home = config.home().map_or_else(String::new, |home| home.name.clone());
    let store = match &config.evidence.store {
        Store::Database(name) => StoreAt::Database(name.clone()),
        Store::Dir(path) => StoreAt::Folder(path.clone()),
    };
    let remember = config.evidence.remember.clone();
    Relay::new(RelayConfig { origin: config.evidence.origin.clone(), home, store, remember }, key.clone())
}

fn evidence_fault(fault: EvidenceFault) -> Fault {
    Fault::new(FaultClass::Blocked(fault.cause), "evidence log", fault.place).with_detail(fault.found)
}
