//! Why nothing is started in a database, for how long, and what would change that.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::daemon::Daemon;
use crate::board::{Board, Pause};
use crate::clock;
use crate::config::{Config, Database};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells in which databases nothing is started and why, again and again. Never returns; behind it [`Daemon::resumes`].
pub(super) async fn tell(daemon: &Daemon) -> Infallible {
    let mut told = Instant::now();
    loop {
        if let Some(config) = daemon.config() {
            daemon.pauses(&config, told.elapsed());
        }
        told = Instant::now();
        sleep(LOOK_EVERY).await;
    }
}

/// Why nothing is started in a database, and until when where that is known. The reason that somebody must do something
/// about comes first.
fn pause(database: &Database, config: &Config, board: &Board, now: Timestamp) -> Option<(Pause, Option<Timestamp>)> {
    let mut rules = board.rules.values().filter(|rule| rule.database == database.name).peekable();
    if board.databases.get(&database.name).is_some_and(|state| state.up == Some(false)) {
        return Some((Pause::Unreachable, None));
    }
    if board.evidence.pending > config.evidence.receipts_pending_max {
        return Some((Pause::EvidenceBacklog, None));
    }
    if rules.peek().is_some() && rules.all(|rule| rule.standing.paused.is_some()) {
        return Some((Pause::Operator, None));
    }
    database.quiet.until(now).map(|end| (Pause::QuietWindow, Some(end)))
}

impl Daemon {
    /// Shows the reasons as they are now; those that held since the last look held for `since`.
    fn pauses(&self, config: &Config, since: Duration) {
        let now = clock::now();
        for database in &config.databases {
            let name = database.name.as_str();
            let (found, before) = {
                let board = self.board.borrow();
                let before = board.databases.get(name).and_then(|state| state.paused);
                (pause(database, config, &board, now), before)
            };
            if let Some(reason) = before {
                self.metrics.paused(name, reason, since.as_secs_f64());
            }
            let reason = found.map(|(reason, _)| reason);
            if reason == before {
                continue;
            }
            match found {
                Some((reason, until)) => {
                    let until = until.map(tracing::field::display);
                    let (id, fix) = (reason.id(), reason.cause().fix());
                    tracing::warn!(database = name, reason = id, until, fix, "nothing is started in the database");
                }
                None => tracing::info!(database = name, "the database is worked on again"),
            }
            self.board.send_modify(|board| {
                let state = board.databases.entry(name.to_owned()).or_default();
                state.paused = reason;
                state.paused_until = found.and_then(|(_, until)| until);
            });
        }
    }

    /// This process starts nothing anywhere, whatever the reason: whoever does says why not.
    pub(super) fn resumes(&self) {
        self.board.send_modify(|board| {
            for state in board.databases.values_mut() {
                (state.paused, state.paused_until) = (None, None);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forgetd_connector::Cause;
    use jiff::tz::TimeZone;
    use tokio::sync::watch;

    use crate::board::{Board, Pause, Role};
    use crate::clock;
    use crate::config::{Config, LoadOptions, load};
    use crate::rules::testing::rule;
    use crate::rules::{QuietWindow, QuietWindows};
    use crate::run::standing::{Paused, Standing};
    use crate::serve::daemon::Daemon;
    use crate::telemetry::metrics::Metrics;

    fn config() -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("forgetd.yaml");
        let text = "version: 1\ninstance: t\ndatabases: { crm: { url: \"sqlite:/x.db\" } }\n\
                    evidence: { origin: example.com/t, signing_key: { env: K } }\n\
                    rules: [{ name: old, table: t, since: at, keep_for: 30d, action: delete }]\n";
        std::fs::write(&file, text).unwrap();
        load(&LoadOptions { file: Some(file), ..LoadOptions::default() }).unwrap()
    }

    /// One after another, each stronger than the one before, all there at the end.
    #[test]
    fn the_reason_that_needs_somebody_is_shown_and_its_time_is_counted() {
        let (_stop, stopped) = watch::channel(false);
        let daemon = Daemon::new(stopped, Metrics::new().unwrap());
        daemon.role(Role::Holder { term: 1, since: clock::now() });
        let mut config = config();
        daemon.show_rule(&rule("old", "t"), Standing::default(), None, clock::now());
        let look = |config: &Config| {
            daemon.pauses(config, Duration::from_secs(2));
            daemon.board.borrow().databases.get("crm").cloned().unwrap_or_default()
        };
        let counted = |reason: Pause| {
            let text = daemon.metrics.render(&daemon.board.borrow()).unwrap();
            let series = format!("forgetd_pause_seconds_total{{database=\"crm\",reason=\"{}\"}} ", reason.id());
            text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().to_owned()
        };
        let shown = |reason: Pause| {
            let text = daemon.metrics.render(&daemon.board.borrow()).unwrap();
            text.contains(&format!("forgetd_paused{{database=\"crm\",reason=\"{}\"}} 1\n", reason.id()))
        };
        assert_eq!(look(&config).paused, None);
        // Open whenever this runs.
        let window = |from, to, days| QuietWindow::parse(from, to, days, TimeZone::UTC).unwrap();
        let today = clock::now().to_zoned(TimeZone::UTC).weekday().to_sunday_zero_offset().to_string();
        config.databases[0].quiet = QuietWindows::new(vec![window("00:00", "24:00", &today)]).unwrap();
        let quiet = look(&config);
        assert_eq!(quiet.paused, Some(Pause::QuietWindow));
        assert!(quiet.paused_until.unwrap() > clock::now() && shown(Pause::QuietWindow));
        let paused = Paused { since: clock::now(), who: "a".into(), reason: String::new() };
        let rests = Standing { paused: Some(paused), ..Standing::default() };
        daemon.show_rule(&rule("old", "t"), rests, None, clock::now());
        assert_eq!((look(&config).paused, counted(Pause::QuietWindow).as_str()), (Some(Pause::Operator), "2"));
        daemon.board.send_modify(|board| board.evidence.pending = 10_001);
        assert_eq!(look(&config).paused, Some(Pause::EvidenceBacklog));
        assert!(shown(Pause::EvidenceBacklog) && !shown(Pause::Operator));
        let away = |board: &mut Board| board.databases.get_mut("crm").unwrap().up = Some(false);
        daemon.board.send_modify(away);
        assert_eq!(look(&config).paused, Some(Pause::Unreachable));
        assert_eq!((counted(Pause::Operator), counted(Pause::EvidenceBacklog)), ("2".into(), "2".into()));
        daemon.resumes();
        assert_eq!(daemon.board.borrow().databases["crm"].paused, None);
    }

    #[test]
    fn each_reason_says_what_to_do() {
        let causes: Vec<Cause> = Pause::ALL.iter().map(|reason| reason.cause()).collect();
        assert_eq!(causes, [Cause::EvidenceBacklog, Cause::QuietWindow, Cause::Paused, Cause::Unreachable]);
        assert!(Pause::ALL.iter().all(|reason| !reason.cause().fix().is_empty()));
    }
}
