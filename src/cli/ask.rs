//! Asking the holder: a process that serves does what people ask for, and says how it goes.

use std::time::Duration;

use forgetd_connector::{Control, Fault, Lease, RequestState};
use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

use super::approve::actor;
use super::{NOT_HOLDER, fault_code, print, say};
use crate::clock;
use crate::lease;
use crate::run::Sites;
use crate::serve::request::{Answer, Ask, Request};

/// How often the answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a holder may take to begin.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// A holder does nothing about a request that is older, by its own clock: clocks differ.
const VALID_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How long nobody may hold the lease while a request is under way.
const ALONE_MAX: Duration = Duration::from_secs(120);

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Asks the holder of the home database's lease, if it serves, waits for its answer and prints it. The exit code;
/// nothing where nobody serves.
pub(super) async fn holder(control: &dyn Control, ask: Ask, json: bool) -> Option<u8> {
    match post_and_wait(control, ask).await {
        Ok(answer) => Some(show(&answer?, json)),
        Err(fault) => Some(fault_code(&fault)),
    }
}

/// The same where the lease was found in the hands of one that serves.
pub(super) async fn and_show(sites: &Sites<'_>, ask: Ask, json: bool) -> u8 {
    let asked = match sites.home() {
        Ok(home) => holder(home.control, ask, json).await,
        Err(_) => None,
    };
    asked.unwrap_or_else(|| {
        say("the process that acted for this instance has just gone; try again");
        NOT_HOLDER
    })
}

/// Prints an answer. Returns the exit code.
fn show(answer: &Answer, json: bool) -> u8 {
    if json {
        answer.reports.iter().for_each(print);
        if answer.reports.is_empty() {
            answer.lines.iter().for_each(say);
        }
    } else {
        answer.lines.iter().for_each(print);
    }
    answer.code
}

async fn post_and_wait(control: &dyn Control, ask: Ask) -> Result<Option<Answer>, Fault> {
    let serves = |lease: &Lease| lease.alive && lease::serves(&lease.holder);
    let Some(lease) = control.lease().await?.filter(serves) else { return Ok(None) };
    let until = clock::now().checked_add(VALID_FOR).unwrap_or(jiff::Timestamp::MAX);
    let request = Request { who: actor(), until, ask };
    let id = ulid::Ulid::generate().to_string();
    control.post(&id, &serde_json::to_string(&request).unwrap_or_default()).await?;
    tracing::info!(holder = lease.holder, request = id, "asked the holder");
    wait(control, &id).await.map(Some)
}

async fn wait(control: &dyn Control, id: &str) -> Result<Answer, Fault> {
    let posted = Instant::now();
    let (mut told, mut held) = (Instant::now(), Instant::now());
    loop {
        control.let_go();
        sleep(LOOK_EVERY).await;
        let Some(row) = control.request(id).await? else {
            return Ok(Answer::said("the request was removed before it was answered", NOT_HOLDER));
        };
        let answer: Answer = serde_json::from_str(&row.answer).unwrap_or_default();
        match row.state {
            RequestState::Done => return Ok(answer),
            RequestState::Open if posted.elapsed() > TAKEN_WITHIN => {
                let line = "the holder did not take the request so far; it may within five minutes";
                return Ok(Answer::said(line, NOT_HOLDER));
            }
            RequestState::Open => {}
            RequestState::Taken => {
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    for (rule, changed) in &answer.progress {
                        say(format_args!("{rule}: {changed} rows so far"));
                    }
                    if control.lease().await?.is_some_and(|lease| lease.alive) {
                        held = Instant::now();
                    }
                }
                if held.elapsed() > ALONE_MAX {
                    let line = "nobody holds the lease any more; the next holder goes on with the request";
                    return Ok(Answer::said(line, NOT_HOLDER));
                }
            }
        }
    }
}
