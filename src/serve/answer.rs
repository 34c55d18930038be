//! The holder's side of requests: what is read, done and answered.

use std::collections::BTreeMap;
use std::time::Duration;

use forgetd_connector::{Cause, Commit, Fault, RequestState};
use tokio::time::sleep;

use super::approve;
use super::daemon::Daemon;
use super::hold::Held;
use super::home::Home;
use super::request::{Answer, Approved, Ask, Request, Signed};
use super::wave::Served;
use crate::clock;
use crate::config::Config;
use crate::keys::EvidenceKey;
use crate::run::standing::{Paused, written};
use crate::run::{Approver, Report, RuleApproval, Tenure, Turn, Verdict};

/// How often requests are looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Done requests are kept this long, for whoever asked to read the answer.
const KEEP_SECS: u64 = 86_400;

/// Requests for runs that are under way, by id: the rules that each asked for and that did not run yet.
pub(super) type Asked = BTreeMap<String, Vec<String>>;

impl Held<'_> {
    /// Reads what was asked; does and answers at once what is no run. What is left is for the next wave.
    pub(super) async fn requests(&mut self, config: &Config, key: &EvidenceKey) -> Result<Asked, Fault> {
        let rows = self.home.get().await?.control().requests().await?;
        let mut asked = Asked::new();
        for row in rows {
            let Some(request) = Request::read(&row.body) else {
                self.answer(&row.id, RequestState::Done, &Answer::said("the holder does not know this request", 64))
                    .await?;
                continue;
            };
            if row.state == RequestState::Open && request.until < clock::now() {
                self.answer(&row.id, RequestState::Done, &Answer::said("it came too late", 75)).await?;
                continue;
            }
            if let Some(answer) = self.unknown(config, &request.ask) {
                self.answer(&row.id, RequestState::Done, &answer).await?;
                continue;
            }
            let answer = match &request.ask {
                Ask::Run { rules } => {
                    if row.state == RequestState::Open {
                        self.answer(&row.id, RequestState::Taken, &Answer::default()).await?;
                    }
                    let reported = self.reported.get(&row.id).map_or(&[][..], Vec::as_slice);
                    let left = rules.iter().filter(|rule| reported.iter().all(|report| report.rule != **rule));
                    let left = left.cloned().collect();
                    asked.insert(row.id, left);
                    continue;
                }
                Ask::Pause { rules, reason } => {
                    let paused = Paused { since: clock::now(), who: request.who.clone(), reason: reason.clone() };
                    self.rest(config, rules, Some(&paused)).await?
                }
                Ask::Resume { rules } => self.rest(config, rules, None).await?,
                Ask::Approve { rules, reason } => {
                    let by = Approver { who: &request.who, reason };
                    self.approve(config, key, rules, by).await?
                }
                Ask::Policy { digest, waits, acts } => {
                    let home = self.home.get().await?;
                    self.yields |= self.daemon.heard(config, home.as_ref(), digest, waits, *acts).await?;
                    Answer::said("heard", 0)
                }
                Ask::ApproveSigned { signed } => self.approve_signed(config, key, signed).await,
                Ask::ApproveRestored { reason, signed } => {
                    self.approve_restored(config, key, reason, signed.as_ref()).await
                }
            };
            self.answer(&row.id, RequestState::Done, &answer).await?;
        }
        Ok(asked)
    }

    /// Why nothing is done, where a rule of the request is not one of the policy in force.
    fn unknown(&self, config: &Config, ask: &Ask) -> Option<Answer> {
        let known = |name: &str| config.policy.rule(name).is_some_and(|rule| rule.runs());
        let missing = match ask {
            Ask::Run { rules } | Ask::Pause { rules, .. } | Ask::Resume { rules } => {
                rules.iter().find(|name| !known(name))
            }
            Ask::Approve { rules, .. } => rules.iter().map(|approved| &approved.rule).find(|name| !known(name)),
            // What is signed says itself what it is about; another policy has other rules.
            Ask::Policy { .. } | Ask::ApproveSigned { .. } | Ask::ApproveRestored { .. } => None,
        };
        missing.map(|name| Answer::said(format!("the holder's policy has no rule {name:?} that runs"), 64))
    }

    /// Lets rules rest, or work again.
    async fn rest(&mut self, config: &Config, rules: &[String], paused: Option<&Paused>) -> Result<Answer, Fault> {
        let mut answer = Answer::default();
        for rule in rules {
            let standing = self.standings.entry(rule.clone()).or_default();
            let said = standing.rest(rule, paused.cloned(), clock::now());
            tracing::info!(who = paused.map_or("", |paused| paused.who.as_str()), "rule {said}");
            self.save(rule).await?;
            self.show(config, rule);
            answer.lines.push(said);
        }
        Ok(answer)
    }

    async fn approve(
        &mut self,
        config: &Config,
        key: &EvidenceKey,
        shown: &[Approved],
        by: Approver<'_>,
    ) -> Result<Answer, Fault> {
        let mut approvals = vec![];
        for approved in shown {
            let Some(rule) = config.policy.rule(&approved.rule) else { continue };
            if rule.digest() != approved.digest {
                let line =
                    format!("{}: the holder has another definition of the rule; nothing was approved", rule.name);
                return Ok(Answer::said(line, 4));
            }
            approvals.push(RuleApproval {
                rule,
                causes: approved.causes.clone(),
                catalog: approved.catalog.clone(),
                due: approved.due,
                cutoff: approved.cutoff,
            });
        }
        match approve::rules(self, config, key, &approvals, by).await {
            Ok(outcomes) => Ok(Answer {
                lines: outcomes.iter().map(|(rule, outcome)| outcome.said(rule)).collect(),
                code: outcomes.iter().map(|(_, outcome)| outcome.exit_code()).max().unwrap_or(0),
                ..Answer::default()
            }),
            Err((line, code)) => Ok(Answer::said(line, code)),
        }
    }

    /// Verifies signatures here, whatever was verified where they were given, and writes down what they approve.
    async fn approve_signed(&self, config: &Config, key: &EvidenceKey, signed: &Signed) -> Answer {
        let given = match signed.given() {
            Ok(given) => given,
            Err(error) => return Answer::said(error.to_string(), 4),
        };
        match approve::signed(self, config, key, &given).await {
            Ok((rule, outcome)) => Answer::said(outcome.said(&rule), outcome.exit_code()),
            Err((line, code)) => Answer::said(line, code),
        }
    }

    /// Goes on after a restore, as a person says it is right.
    async fn approve_restored(
        &self,
        config: &Config,
        key: &EvidenceKey,
        reason: &str,
        signed: Option<&Signed>,
    ) -> Answer {
        let given = match signed.map(Signed::given).transpose() {
            Ok(given) => given,
            Err(error) => return Answer::said(error.to_string(), 4),
        };
        match approve::restored(self, config, key, reason, given.as_ref()).await {
            Ok(line) => Answer::said(line, 0),
            Err((line, code)) => Answer::said(line, code),
        }
    }

    /// Answers the requests whose runs ended. One of which a run was interrupted is taken again for that.
    pub(super) async fn ran(&mut self, asked: &Asked, reports: &[Report]) -> Result<(), Fault> {
        self.reported.retain(|id, _| asked.contains_key(id));
        for (id, rules) in asked {
            let ended = |report: &&Report| rules.contains(&report.rule) && report.cause != Some(Cause::Interrupted);
            let own = self.reported.entry(id.clone()).or_default();
            own.extend(reports.iter().filter(ended).cloned());
            if rules.iter().any(|rule| own.iter().all(|report| report.rule != *rule)) {
                continue;
            }
            let worst = own.iter().fold(Verdict::Clean, |worst, report| worst.worse(report.verdict()));
            let answer = Answer {
                reports: own.iter().filter_map(|report| serde_json::to_value(report).ok()).collect(),
                lines: own.iter().map(|report| report.text()).collect(),
                code: worst.exit_code(),
                ..Answer::default()
            };
            self.answer(id, RequestState::Done, &answer).await?;
        }
        Ok(())
    }

    async fn answer(&self, id: &str, state: RequestState, answer: &Answer) -> Result<(), Fault> {
        written(tell(self.home, self.tenure, id, state, answer).await?)
    }

    /// Removes requests that nobody waits for.
    pub(super) async fn forget_requests(&self) -> Result<(), Fault> {
        self.home.get().await?.control().forget_requests(KEEP_SECS).await.map(drop)
    }
}

async fn tell(home: &Home, tenure: &Tenure, id: &str, state: RequestState, answer: &Answer) -> Result<Commit, Fault> {
    let text = serde_json::to_string(answer).unwrap_or_default();
    Ok(home.get().await?.control().answer(id, state, &text, tenure.claim().term()).await)
}

/// Tells those who wait how far their runs have come, and returns when something else is asked: the runs under way end
/// at their next batch then, and go on when it was heard. Which policy another process has ends them only where that one
/// is to act.
pub(super) async fn listen(daemon: &Daemon, config: &Config, home: &Home, tenure: &Tenure, asked: &Asked) {
    loop {
        sleep(LOOK_EVERY).await;
        let Ok(connector) = home.get().await else { continue };
        let rows = match connector.control().requests().await {
            Ok(rows) => rows,
            Err(fault) => {
                tracing::warn!(error = %fault, "requests cannot be read");
                home.close().await;
                continue;
            }
        };
        let mut ends = false;
        for row in rows.iter().filter(|row| !asked.contains_key(&row.id)) {
            let request = Request::read(&row.body);
            let in_time = request.as_ref().is_some_and(|request| request.until >= clock::now());
            let state = match request.map(|request| request.ask) {
                Some(Ask::Policy { digest, waits, acts }) if in_time => {
                    match daemon.heard(config, connector.as_ref(), &digest, &waits, acts).await {
                        Ok(false) => RequestState::Done,
                        Ok(true) => RequestState::Taken,
                        Err(_) => continue,
                    }
                }
                Some(Ask::Policy { .. }) => RequestState::Done,
                _ => RequestState::Taken,
            };
            ends |= state == RequestState::Taken;
            // It was heard in time, however long the batch under way takes.
            if in_time || state == RequestState::Done {
                drop(tell(home, tenure, &row.id, state, &Answer::default()).await);
            }
        }
        daemon.compare_policies(config);
        if ends {
            return;
        }
        for (id, rules) in asked {
            let progress = rules.iter().filter_map(|rule| Some((rule.clone(), daemon.changed_rows(rule)?))).collect();
            let answer = Answer { progress, ..Answer::default() };
            // Progress that is not told is told next time.
            drop(tell(home, tenure, id, RequestState::Taken, &answer).await);
        }
    }
}

/// The firings of a wave: what is due, and what was asked for.
pub(super) fn with_asked(mut due: Vec<Served>, asked: &Asked) -> Vec<Served> {
    for rule in asked.values().flatten() {
        match due.iter_mut().find(|served| served.rule == *rule) {
            Some(served) => (served.turn, served.asked) = (Turn::Run, true),
            None => due.push(Served { rule: rule.clone(), fire: None, turn: Turn::Run, asked: true }),
        }
    }
    due
}
