//! Boards as they come about.

use std::collections::BTreeMap;

use forgetd::board::{Board, ConfigState, DatabaseState, EvidenceState, Role, RuleState, Running};
use forgetd::clock;
use forgetd::rules::Mode;
use forgetd::run::Verdict;
use forgetd::run::standing::{Blocked, LastRun, Measured, Paused, Standing};
use forgetd_connector::Cause;
use jiff::{SignedDuration, Timestamp};

/// So many seconds ago; ahead, where negative.
pub(crate) fn ago(seconds: i64) -> Timestamp {
    clock::now() - SignedDuration::from_secs(seconds)
}

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A holder without rules.
pub(crate) fn empty() -> Board {
    let crm =
        DatabaseState { home: true, up: Some(true), server: "PostgreSQL 17.5".into(), ..DatabaseState::default() };
    Board {
        instance: "shop-eu".into(),
        version: env!("CARGO_PKG_VERSION"),
        config: ConfigState {
            valid: true,
            problems: vec![],
            loaded: Some(ago(3 * DAY)),
            policy_digest: "4f0c1d7e".repeat(8),
        },
        role: Role::Holder { term: 7, since: ago(3 * DAY) },
        databases: BTreeMap::from([("crm".into(), crm)]),
        evidence: EvidenceState {
            origin: "example.com/forgetd/shop-eu".into(),
            size: Some(48_213),
            root: Some("9a41c0de".repeat(8)),
            checkpoint: Some(ago(3 * HOUR)),
            pending: 0,
            verified: Some(ago(3 * HOUR)),
            sound: Some(true),
            ..EvidenceState::default()
        },
        turned: Some(clock::now()),
        ..Board::default()
    }
}

/// A rule that ran three hours ago and was clean.
pub(crate) fn rule(table: &str) -> RuleState {
    let at = ago(3 * HOUR);
    RuleState {
        database: "crm".into(),
        engine: "postgresql".into(),
        table: format!("public.{table}"),
        action: "delete",
        mode: Mode::Enforce,
        keep_for: "30d".into(),
        schedule: Some("15 3 * * * Europe/Stockholm".into()),
        interval_secs: Some(DAY),
        next: Some(ago(-21 * HOUR)),
        running: None,
        standing: Standing {
            served: Some(at),
            last: Some(LastRun {
                at,
                run_id: "01KB0QV6T5W3Z8M4N2P7R9S1XA".into(),
                verdict: Verdict::Clean,
                cause: None,
                detail: None,
                cutoff: Some(ago(30 * DAY + 3 * HOUR)),
                due: Some(12_004),
                due_exact: true,
                changed: 12_004,
                left: Some(0),
                skipped: vec![],
                batches: 13,
                batch_rows_max: 1_000,
                longest_tx_ms: 22,
                seconds: 8.4,
            }),
            last_clean: Some(at),
            measured: Some(Measured { at, due: 0, capped: false, oldest: None }),
            ..Standing::default()
        },
        drained: None,
    }
}

/// The same, not clean, for this cause.
pub(crate) fn ended(mut rule: RuleState, verdict: Verdict, cause: Cause, detail: &str) -> RuleState {
    let due = Measured { at: ago(3 * HOUR), due: 41_870, capped: false, oldest: Some(ago(34 * DAY)) };
    rule.standing.measured = Some(due);
    rule.standing.last_clean = Some(ago(4 * DAY));
    if matches!(verdict, Verdict::Blocked | Verdict::Blind) {
        rule.standing.blocked = Some(Blocked { cause, since: ago(2 * DAY) });
    }
    if let Some(last) = &mut rule.standing.last {
        (last.verdict, last.cause, last.detail) = (verdict, Some(cause), Some(detail.into()));
        (last.due, last.left, last.changed) = (Some(41_870), Some(41_870), 0);
    }
    rule
}

/// The same, looking on.
pub(crate) fn observing(rule: RuleState) -> RuleState {
    let detail = "observing: would have deleted 41870 rows; set mode: enforce";
    RuleState { mode: Mode::Observe, ..ended(rule, Verdict::Partial, Cause::Observe, detail) }
}

/// The same with years of backlog that goes down by a cap each night.
pub(crate) fn draining(mut rule: RuleState) -> RuleState {
    rule = ended(rule, Verdict::Partial, Cause::Cap, "the cap of 500000 rows a run was reached");
    let nights = 14;
    let left = |night: i64| {
        9_800_000_u64.saturating_sub(u64::try_from(night).unwrap() * 493_000 + 13_000 * (night as u64 % 3))
    };
    rule.standing.course = (0..nights).map(|night| (ago((nights - 1 - night) * DAY + 3 * HOUR), left(night))).collect();
    rule.standing.measured =
        Some(Measured { at: ago(3 * HOUR), due: left(nights - 1), capped: false, oldest: Some(ago(800 * DAY)) });
    if let Some(last) = &mut rule.standing.last {
        (last.due, last.left, last.changed) = (Some(left(nights - 2)), Some(left(nights - 1)), 500_000);
        last.seconds = 412.0;
    }
    rule.drained = Some(ago(-7 * DAY));
    rule
}

/// A run under way.
pub(crate) fn running(mut rule: RuleState, changed: u64) -> RuleState {
    rule.running = Some(Running { due: 500_000, exact: true, changed });
    rule
}

/// A rule that a person wants to rest.
pub(crate) fn paused(mut rule: RuleState) -> RuleState {
    let reason = "month-end closing, back on Monday".into();
    rule.standing.paused = Some(Paused { since: ago(26 * HOUR), who: "root@batch-2".into(), reason });
    rule
}

/// A board with these rules.
pub(crate) fn with(rules: impl IntoIterator<Item = (&'static str, RuleState)>) -> Board {
    Board { rules: rules.into_iter().map(|(name, rule)| (name.into(), rule)).collect(), ..empty() }
}

/// One clean rule.
pub(crate) fn one() -> Board {
    with([("web-sessions", rule("web_session"))])
}

/// Rules that wait for a person, for several causes.
pub(crate) fn blocked() -> Board {
    with([
        (
            "audit-log",
            ended(rule("audit_log"), Verdict::Blocked, Cause::CoolOff, "the rule is new: it acts by itself in 22 h"),
        ),
        (
            "carts",
            ended(rule("cart"), Verdict::Blocked, Cause::CoolOff, "keep_for: 90d -> 30d; it acts by itself in 3 h"),
        ),
        (
            "customers",
            ended(rule("customer"), Verdict::Blind, Cause::RowSecurity, "row security is on for crm.public.customer"),
        ),
        (
            "exports",
            ended(rule("export"), Verdict::Failed, Cause::Unknown, "commit at crm.public.export: the answer was lost"),
        ),
        ("newsletters", observing(rule("newsletter"))),
        (
            "orders",
            ended(rule("order_item"), Verdict::Partial, Cause::ForeignKey, "12 rows are held by public.invoice"),
        ),
        ("password-resets", paused(rule("password_reset"))),
        ("web-sessions", rule("web_session")),
    ])
}

/// A database that is down, and one that waits.
pub(crate) fn database_down() -> Board {
    let mut board = with([
        ("web-sessions", rule("web_session")),
        ("mail-log", {
            let rule = RuleState { database: "mail".into(), engine: "mysql".into(), ..rule("log") };
            ended(rule, Verdict::Failed, Cause::Unreachable, "connect at mail: connection refused")
        }),
    ]);
    let mail = DatabaseState {
        up: Some(false),
        server: "MariaDB 11.8.3".into(),
        problem: Some("connect at mail: connection refused".into()),
        paused: Some(forgetd::board::Pause::Unreachable),
        ..DatabaseState::default()
    };
    board.databases.insert("mail".into(), mail);
    board
}

/// Backlogs that are worked off, one of them now.
pub(crate) fn drain() -> Board {
    with([
        ("events", running(draining(rule("event")), 317_400)),
        ("page-views", draining(rule("page_view"))),
        ("web-sessions", rule("web_session")),
    ])
}

/// Two hundred rules, most of them clean.
pub(crate) fn many() -> Board {
    let mut board = empty();
    for n in 0..200 {
        let table = format!("tenant_{n:03}_session");
        let state = match n {
            7 | 81 => {
                ended(rule(&table), Verdict::Blocked, Cause::WholeTableDue, "all 41870 rows of the table are due")
            }
            20..=29 => {
                ended(rule(&table), Verdict::Blocked, Cause::CoolOff, "the rule is new: it acts by itself in 22 h")
            }
            33 | 150..=153 => observing(rule(&table)),
            60 => running(rule(&table), 122_000),
            90..=92 => draining(rule(&table)),
            140 => paused(rule(&table)),
            170..=174 => RuleState { standing: Standing::default(), ..rule(&table) },
            _ => rule(&table),
        };
        board.rules.insert(format!("tenant-{n:03}-sessions"), state);
    }
    board
}

/// A process that waits.
pub(crate) fn follower() -> Board {
    Board { role: Role::Follower { holder: "shop-7d9f-x2x".into(), term: 7 }, ..one() }
}
