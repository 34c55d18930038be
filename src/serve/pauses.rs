//! Why nothing is started in a database, for how long, and what would change that. Whoever would start something says so:
//! the holder, and where nothing is installed each process for itself. Where nobody acts, what keeps the home database from
//! being worked with is said by each process that found it; who follows leaves it to the holder.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::daemon::Daemon;
use crate::board::{Board, Pause, Role};
use crate::clock;
use crate::config::{Config, Database};
use crate::rules::Mode;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells in which databases nothing is started and why, again and again. Never returns.
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
    let enforces =
        || config.policy.rules.iter().any(|rule| rule.database == database.name && rule.mode == Mode::Enforce);
    let (acts, writes) = match board.role {
        Role::Follower { .. } => return None,
        Role::Starting | Role::Nobody { .. } if !database.home => return None,
        Role::Starting | Role::Nobody { .. } => (false, true),
        Role::Holder { .. } => (true, database.home || enforces()),
        Role::Observer => (true, false),
    };
    let state = board.databases.get(&database.name);
    if state.is_some_and(|state| state.up == Some(false)) {
        return Some((Pause::Unreachable, None));
    }
    if writes && state.is_some_and(|state| state.read_only) {
        return Some((Pause::ReadOnly, None));
    }
    if !acts {
        return None;
    }
    if board.evidence.pending > config.evidence.receipts_pending_max {
        return Some((Pause::EvidenceBacklog, None));
    }
    if rules.peek().is_some() && rules.all(|rule| rule.standing.paused.is_some()) {
        return Some((Pause::Operator, None));
    }
    if let Some((reason, _)) = board.databases.get(&database.name).and_then(|state| state.throttled.as_ref()) {
        return Some((*reason, None));
    }
    database.quiet.until(now).map(|end| (Pause::QuietWindow, Some(end)))
}

impl Daemon {
    /// Shows the reasons as they are now; those that held since the last look held for `since`.
    fn pauses(&self, config: &Config, since: Duration) {
        let now = clock::now();
        let role = self.board.borrow().role.clone();
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
                None if matches!(role, Role::Holder { .. } | Role::Observer) => {
                    tracing::info!(database = name, "the database is worked on again");
                }
                None => {}
            }
            self.board.send_modify(|board| {
                let state = board.databases.entry(name.to_owned()).or_default();
                state.paused = reason;
                state.paused_until = found.and_then(|(_, until)| until);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forgetd_connector::Cause;
    use jiff::tz::TimeZone;
    use tokio::sync::watch;

    use crate::board::{Board, DatabaseState, Pause, Role};
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
        daemon.board.send_modify(|board| board.databases.get_mut("crm").unwrap().read_only = true);
        assert_eq!(look(&config).paused, Some(Pause::ReadOnly));
        let away = |board: &mut Board| board.databases.get_mut("crm").unwrap().up = Some(false);
        daemon.board.send_modify(away);
        assert_eq!(look(&config).paused, Some(Pause::Unreachable));
        assert_eq!((counted(Pause::Operator), counted(Pause::EvidenceBacklog)), ("2".into(), "2".into()));
        let log = |board: &mut Board| {
            board.evidence.checkpoint = Some(clock::now());
            board.evidence.sound = Some(false);
        };
        daemon.board.send_modify(log);
        daemon.role(Role::Follower { holder: "another".into(), term: 2 });
        assert_eq!(look(&config).paused, None, "the holder says it");
        // Another process wrote meanwhile, and this one is the holder again before it has looked.
        daemon.board.send_modify(|board| board.databases.get_mut("crm").unwrap().read_only = false);
        daemon.role(Role::Holder { term: 3, since: clock::now() });
        let evidence = daemon.board.borrow().evidence.clone();
        assert_eq!((evidence.checkpoint, evidence.pending, evidence.sound), (None, 0, Some(false)));
    }

    /// Who says what where nobody holds the lease.
    #[test]
    fn without_a_holder_each_process_says_what_it_found() {
        let (_stop, stopped) = watch::channel(false);
        let daemon = Daemon::new(stopped, Metrics::new().unwrap());
        let mut config = config();
        let today = clock::now().to_zoned(TimeZone::UTC).weekday().to_sunday_zero_offset().to_string();
        let window = QuietWindow::parse("00:00", "24:00", &today, TimeZone::UTC).unwrap();
        config.databases[0].quiet = QuietWindows::new(vec![window]).unwrap();
        let look = |role: Role, up, read_only, home| {
            let mut config = config.clone();
            config.databases[0].home = home;
            daemon.role(role);
            let state = DatabaseState { up: Some(up), read_only, ..DatabaseState::default() };
            daemon.board.send_modify(|board| drop(board.databases.insert("crm".into(), state)));
            daemon.pauses(&config, Duration::ZERO);
            daemon.board.borrow().databases["crm"].paused
        };
        let nobody = Role::Nobody { cause: Cause::ReadOnly };
        let follower = Role::Follower { holder: "another".into(), term: 2 };
        for (role, up, read_only, home, paused) in [
            (Role::Observer, true, false, true, Some(Pause::QuietWindow)),
            (Role::Observer, true, true, true, Some(Pause::QuietWindow)),
            (Role::Observer, false, false, true, Some(Pause::Unreachable)),
            (nobody.clone(), true, true, true, Some(Pause::ReadOnly)),
            (nobody.clone(), true, false, true, None),
            (nobody, true, true, false, None),
            (Role::Starting, false, false, true, Some(Pause::Unreachable)),
            (Role::Starting, true, false, true, None),
            (follower, false, true, true, None),
        ] {
            assert_eq!(look(role.clone(), up, read_only, home), paused, "{role:?} {up} {read_only} {home}");
        }
    }

    #[test]
    fn each_reason_says_what_to_do() {
        let causes: Vec<Cause> = Pause::ALL.iter().map(|reason| reason.cause()).collect();
        let first = [Cause::EvidenceBacklog, Cause::QuietWindow, Cause::Paused, Cause::ReadOnly, Cause::Unreachable];
        assert!(causes.starts_with(&first) && causes[5..].iter().all(|cause| cause.is_of_the_throttle()));
        let of_the_throttle = Cause::ALL.iter().filter(|cause| cause.is_of_the_throttle());
        assert!(
            of_the_throttle.copied().all(|cause| Pause::of_the_throttle(cause).is_some_and(|p| p.cause() == cause))
        );
        assert!(Pause::ALL.iter().all(|reason| !reason.cause().fix().is_empty()));
    }
}
