//! The page that people read: rendered here, without a script, nothing loaded from anywhere.

mod attention;
mod chart;
mod rule;
mod words;

use askama::Template;
use jiff::Timestamp;

use self::attention::Matter;
use self::rule::{Next, Row, State};
use self::words::Moment;
use crate::board::{Board, DatabaseState, EvidenceState, Pause, Role};

/// So many backlogs are drawn large.
const BACKLOGS_SHOWN: usize = 6;

/// The page.
#[derive(Template)]
#[template(path = "status/page.html")]
struct Page<'a> {
    instance: &'a str,
    version: &'static str,
    /// Whether this process acts, in words.
    role: String,
    /// Where rules are shown, if not here.
    elsewhere: Option<String>,
    /// The state of all in a sentence, and its class.
    lead: String,
    lead_class: &'static str,
    /// How many rules stand how, with the first of each to jump to.
    tally: Vec<Tally>,
    matters: Vec<Matter>,
    running: Vec<Row>,
    backlogs: Vec<Row>,
    rows: Vec<Row>,
    databases: Vec<DatabaseRow<'a>>,
    evidence: EvidenceView<'a>,
    policy: &'a str,
    loaded: Option<Moment>,
    rendered: String,
}

/// How many rules stand alike.
struct Tally {
    word: &'static str,
    class: &'static str,
    n: String,
    first: String,
}

/// One database.
struct DatabaseRow<'a> {
    name: &'a str,
    home: bool,
    class: &'static str,
    word: &'static str,
    server: &'a str,
    note: String,
}

/// The evidence log.
struct EvidenceView<'a> {
    origin: &'a str,
    size: Option<String>,
    root: Option<&'a str>,
    signed: Option<Moment>,
    pending: String,
    verified: Option<Moment>,
    class: &'static str,
    word: &'static str,
}

/// The page for this board.
pub(super) fn page(board: &Board, now: Timestamp) -> Result<String, askama::Error> {
    let mut rows: Vec<_> = board.rules.iter().map(|(name, rule)| Row::of(name, rule, now)).collect();
    rows.sort_by(|one, other| (one.state, &one.name).cmp(&(other.state, &other.name)));
    let matters = attention::all(board, now);
    let running = rows.iter().filter(|row| row.progress.is_some()).cloned().collect();
    let backlogs = rows.iter().filter(|row| row.has_backlog()).take(BACKLOGS_SHOWN).cloned().collect();
    let (lead, lead_class) = lead(board, &matters);
    let page = Page {
        instance: &board.instance,
        version: board.version,
        role: role(&board.role, now),
        elsewhere: elsewhere(&board.role),
        lead,
        lead_class,
        tally: tally(&rows),
        matters,
        running,
        backlogs,
        rows,
        databases: board.databases.iter().map(|(name, state)| DatabaseRow::of(name, state, now)).collect(),
        evidence: EvidenceView::of(&board.evidence, now),
        policy: &board.config.policy_digest,
        loaded: board.config.loaded.map(|at| words::moment(at, now)),
        rendered: words::exact(now),
    };
    page.render()
}

fn role(role: &Role, now: Timestamp) -> String {
    match role {
        Role::Starting => "starting: it is not known yet who acts".into(),
        Role::Follower { holder, term } => format!("follower: {holder} holds term {term}"),
        Role::Holder { term, since } => format!("holder, term {term}, for {}", words::since(*since, now)),
        Role::Observer => "observer: no rule acts, so there is nothing to hold".into(),
        Role::Nobody { cause } => format!("nobody acts: {cause}"),
    }
}

/// Why a process shows no rules.
fn elsewhere(role: &Role) -> Option<String> {
    match role {
        Role::Starting => Some("Rules are shown when it is known who acts.".into()),
        Role::Follower { holder, .. } => Some(format!("Another process acts: {holder}. Its page shows the rules.")),
        Role::Nobody { .. } => Some("Rules are shown by who acts, and nobody does.".into()),
        Role::Holder { .. } | Role::Observer => None,
    }
}

fn lead(board: &Board, matters: &[Matter]) -> (String, &'static str) {
    if let Some(worst) = matters.first() {
        let needs = if matters.len() == 1 { "needs" } else { "need" };
        let things = words::counted(matters.len(), "thing");
        return (format!("{things} {needs} a person"), worst.level.class());
    }
    match board.role {
        Role::Starting => ("Starting".into(), "idle"),
        Role::Follower { .. } => ("Ready to take over".into(), "good"),
        Role::Nobody { .. } => ("Nobody acts".into(), "bad"),
        Role::Holder { .. } | Role::Observer if board.rules.is_empty() => ("No rule runs".into(), "idle"),
        Role::Holder { .. } | Role::Observer => ("Nothing needs a person".into(), "good"),
    }
}

/// Counts rows, which are sorted by state.
fn tally(rows: &[Row]) -> Vec<Tally> {
    let alike = rows.chunk_by(|one, other| one.state == other.state);
    alike
        .filter_map(|rows| {
            let first = rows.first()?;
            let (word, class) = (first.state.word(), first.state.class());
            Some(Tally { word, class, n: words::count(rows.len() as u64), first: first.name.clone() })
        })
        .collect()
}

// === impl DatabaseRow ===

impl<'a> DatabaseRow<'a> {
    fn of(name: &'a str, state: &'a DatabaseState, now: Timestamp) -> Self {
        let (class, word) = match (state.up, state.paused) {
            (Some(false), _) => ("bad", "down"),
            (_, Some(Pause::EvidenceBacklog | Pause::ReadOnly | Pause::Unreachable)) => ("bad", "stopped"),
            (_, Some(_)) => ("idle", "paused"),
            (Some(true), None) => ("good", "up"),
            (None, None) => ("idle", "not asked"),
        };
        let paused = state.paused.map(|pause| match pause {
            Pause::EvidenceBacklog => "too many receipts wait for the relay".into(),
            Pause::QuietWindow => match state.paused_until {
                Some(end) => {
                    format!("a quiet window is open (throttle.quiet); it ends {}", words::moment(end, now).text)
                }
                None => "a quiet window is open".into(),
            },
            Pause::Operator => "a person paused every rule; forgetd resume lets them work again".into(),
            Pause::ReadOnly => "it takes no writes".into(),
            Pause::Unreachable => String::from("it cannot be reached"),
            of_the_throttle => {
                let found = state.throttled.as_ref().map_or("", |(_, found)| found);
                format!("batches wait ({}): {found}", of_the_throttle.id())
            }
        });
        let notes: Vec<String> = state.problem.iter().cloned().chain(paused).collect();
        Self { name, home: state.home, class, word, server: &state.server, note: notes.join("; ") }
    }
}

// === impl EvidenceView ===

impl<'a> EvidenceView<'a> {
    fn of(evidence: &'a EvidenceState, now: Timestamp) -> Self {
        let (class, word) = match (evidence.sound, &evidence.problem) {
            (Some(false), _) => ("bad", "not sound"),
            (_, Some(_)) => ("bad", "stopped"),
            (Some(true), None) => ("good", "sound"),
            (None, None) => ("idle", "not checked yet"),
        };
        Self {
            origin: &evidence.origin,
            size: evidence.size.map(words::count),
            root: evidence.root.as_deref(),
            signed: evidence.checkpoint.map(|at| words::moment(at, now)),
            pending: words::count(evidence.pending),
            verified: evidence.verified.map(|at| words::moment(at, now)),
            class,
            word,
        }
    }
}
