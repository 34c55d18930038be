//! `forgetd check`: is the configuration right, and, with `--connect`, do the databases agree with it?

use std::{collections::BTreeMap, path::Path};

use forgetd_connector::{Atomicity, Cause, Connector, ControlState, Facts, Fault, Finding, Notice, Severity};
use serde::Serialize;

use super::{complain, load, print, report};
use crate::{
    app, clock,
    config::{Config, Control, Database, Store},
    guard, preflight,
    rules::{Mode, Policy, Rule},
    run::{Databases, unwatched},
};

/// The databases of a configuration, each connected or not.
pub type Opened<'a> = BTreeMap<&'a str, Result<&'a dyn Connector, Fault>>;

/// What `check` can be asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connect to every database and look at tables, columns, keys, privileges and control tables too.
    #[arg(long)]
    pub connect: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What `check` found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Every database that answered.
    pub databases: BTreeMap<String, About>,
    /// Whether one did not.
    #[serde(skip)]
    pub unreachable: bool,
}

/// One database that answered.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// The product as it names itself.
    pub product: String,
    /// The form in which it runs, where that makes a difference: `Galera`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub form: &'static str,
    /// Its version.
    pub version: String,
    /// How effect and receipt belong together, and why, where that had to be tried: `atomic`, `sealed (aborted write
    /// persisted)`.
    pub atomicity: String,
    /// A pooler between us and it.
    pub pooler: Option<String>,
}

/// Runs `check`. The exit code is the command's: 78 for a broken configuration, else as [`Report::exit_code`] says.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let report = if args.connect {
        let databases = match app::connect(&config).await {
            Ok(databases) => databases,
            Err(problems) => return complain(&problems),
        };
        let mut report = connected(&config, &open(&config, &databases)).await;
        report.findings.extend(replicas(&config, &databases).await);
        report.findings = preflight::ranked(report.findings);
        databases.close().await;
        report
    } else {
        offline(&config)
    };
    print(if args.json { report.json() } else { report.text() });
    report.exit_code()
}

/// The databases of `config`, as far as they could be connected to.
pub(super) fn open<'a>(config: &'a Config, databases: &'a Databases) -> Opened<'a> {
    config.databases.iter().map(|entry| (entry.name.as_str(), databases.get(&entry.name))).collect()
}

/// What can be said without any connection.
pub fn offline(config: &Config) -> Report {
    let findings = preflight::ranked(preflight::overlaps(&config.policy));
    Report { findings, databases: BTreeMap::new(), unreachable: false }
}

/// Everything: control tables, tables, plans, and what connectors notice. Writes nothing.
pub async fn connected(config: &Config, opened: &Opened<'_>) -> Report {
    let mut report = offline(config);
    report.findings.extend(super::keys::findings(config));
    for database in &config.databases {
        match reach(opened, &database.name) {
            Ok(connector) => {
                let facts = connector.facts();
                report.databases.insert(database.name.clone(), about(facts, atomicity(database, connector)));
                report.findings.extend(preflight::of_facts(facts, &database.name));
                report.findings.extend(read_only_desk(facts, database, config));
                let before = clock::now();
                match connector.now().await {
                    Ok(now) => report.findings.extend(guard::skew(&database.name, now, before, clock::now())),
                    Err(fault) => report.fail(&fault),
                }
            }
            Err(fault) => report.fail(&fault),
        }
        match control_state(opened, database).await {
            Some(Ok(state)) => report.findings.extend(of_control(&state, database, config)),
            Some(Err(fault)) => report.fail(&fault),
            None => {}
        }
    }
    for rule in &config.policy.rules {
        let Some(database) = config.database(&rule.database) else { continue };
        // A database that cannot be reached was said above.
        let Ok(connector) = reach(opened, &database.name) else { continue };
        let atomicity = atomicity(database, connector);
        match preflight::look(rule, &config.policy, connector, &database.name, atomicity).await {
            Ok(look) => report.findings.extend(look.findings),
            Err(fault) => report.fail(&fault),
        }
    }
    report.findings.extend(unanchored(config, opened));
    report.findings.extend(forgetful(config));
    report.findings = preflight::ranked(report.findings);
    report
}

/// Signals that cannot be read and replicas that cannot be watched: every batch would wait for them.
async fn replicas(config: &Config, databases: &Databases) -> Vec<Finding> {
    let mut findings = vec![];
    for database in &config.databases {
        let Ok(connector) = databases.get(&database.name) else { continue };
        let unwatched = unwatched(&database.throttle, connector, databases.replicas(&database.name)).await;
        findings.extend(unwatched.into_iter().map(|found| Finding::blocks(found.cause, &database.name, found.detail)));
    }
    findings
}

/// The connection to `name`, or why there is none.
pub(super) fn reach<'a>(opened: &Opened<'a>, name: &str) -> Result<&'a dyn Connector, Fault> {
    match opened.get(name) {
        Some(Ok(connector)) => Ok(*connector),
        Some(Err(fault)) => Err(fault.clone()),
        None => Err(Fault::new(forgetd_connector::FaultClass::Unreachable, "connect", name)),
    }
}

/// How effect and receipt belong together in `database`: sealed where its control tables are elsewhere.
pub(super) fn atomicity(database: &Database, connector: &dyn Connector) -> Atomicity {
    match database.control {
        Control::Named(_) => connector.capabilities().atomicity,
        Control::At(_) => Atomicity::Sealed,
    }
}

fn about(facts: &Facts, atomicity: Atomicity) -> About {
    let atomicity = match (atomicity, &facts.probed) {
        (Atomicity::Atomic, _) => "atomic".into(),
        (Atomicity::Sealed, None) => "sealed".into(),
        (Atomicity::Sealed, Some(why)) => format!("sealed ({why})"),
    };
    About {
        product: facts.product.clone(),
        form: facts.known.form,
        version: facts.version.clone(),
        atomicity,
        pooler: facts.pooler.clone(),
    }
}

/// Whether a rule acts in `database`: observing needs no control tables and no writes.
fn acts(policy: &Policy, database: &str) -> bool {
    policy.rules.iter().any(|rule: &Rule| rule.runs() && rule.mode == Mode::Enforce && rule.database == database)
}

/// Control tables that cannot be written, in a database without rules: where there are rules, their own look says it.
fn read_only_desk(facts: &Facts, database: &Database, config: &Config) -> Option<Finding> {
    let looked_at = config.policy.rules.iter().any(|rule| rule.database == database.name);
    if !facts.read_only || looked_at || !needed(database, config) {
        return None;
    }
    Some(Finding::blocks(Cause::ReadOnly, &database.name, "the control tables cannot be written here"))
}

/// Whether a rule that acts needs this database's control tables.
fn needed(database: &Database, config: &Config) -> bool {
    let enforced = config.policy.rules.iter().any(|rule| rule.runs() && rule.mode == Mode::Enforce);
    (database.home && enforced)
        || config
            .databases
            .iter()
            .any(|other| other.control_database() == database.name && acts(&config.policy, &other.name))
}

async fn control_state(opened: &Opened<'_>, database: &Database) -> Option<Result<ControlState, Fault>> {
    database.control_name()?;
    let connector = reach(opened, &database.name).ok()?;
    Some(connector.control().inspect().await)
}

fn of_control(state: &ControlState, database: &Database, config: &Config) -> Option<Finding> {
    let (cause, message) = match state {
        ControlState::Ready(_) => return None,
        ControlState::Missing(names) => {
            (Cause::ControlTables, format!("control tables are missing: {}", names.join(", ")))
        }
        ControlState::OtherVersion(version) => (
            Cause::ControlTables,
            format!("the control tables have version {version}, which this forgetd does not know"),
        ),
        ControlState::Denied(names) => (Cause::Privilege, format!("the role lacks privileges on {}", names.join(", "))),
    };
    let finding = Finding::blocks(cause, &database.name, message);
    if needed(database, config) {
        return Some(finding);
    }
    // Without them every replica observes for itself, and there is no evidence.
    Some(Finding { severity: Severity::Info, ..finding })
}

/// A single database that is restored takes its evidence back with it; somebody else must remember.
fn unanchored(config: &Config, opened: &Opened<'_>) -> Option<Finding> {
    let Store::Database(home) = &config.evidence.store else { return None };
    let control_tables = config.databases.iter().filter(|database| database.control_name().is_some()).count();
    if config.evidence.remember.is_some() || control_tables > 1 {
        return None;
    }
    // PostgreSQL gives restored tables new numbers, so there most restores are noticed all the same.
    let notices = reach(opened, home).is_ok_and(|connector| connector.facts().product == "PostgreSQL");
    let fix = "write `evidence: { remember: { dir: .. } }` on storage that is not restored with the database";
    Some(if notices {
        let message =
            "nothing outside the database remembers the log: only a restore that keeps table numbers goes unnoticed";
        Finding::informs(Notice::EvidenceUnanchored, home, message, fix)
    } else {
        let message = "nothing outside the database remembers the log: a restored copy cannot be told from it";
        Finding::warns(Notice::EvidenceUnanchored, home, message, fix)
    })
}

/// A memory that is not there remembers nothing.
fn forgetful(config: &Config) -> Option<Finding> {
    let dir = config.evidence.remember.as_ref().filter(|dir| !dir.is_dir())?;
    Some(Finding::warns(
        Notice::RememberMissing,
        "evidence.remember.dir",
        format!("{} is no folder, so no checkpoint is remembered there", dir.display()),
        "create the folder and let this user write to it",
    ))
}

// === impl Report ===

impl Report {
    /// 69 where a database did not answer, 4 where a finding stops a rule, else 0.
    pub fn exit_code(&self) -> u8 {
        let blocked = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        match (self.unreachable, blocked) {
            (true, _) => 69,
            (false, true) => 4,
            (false, false) => 0,
        }
    }

    /// One JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// For people: databases, findings by database, and how many.
    pub fn text(&self) -> String {
        let mut parts = vec![];
        for (name, about) in &self.databases {
            let sealed = match about.atomicity.strip_prefix("sealed") {
                Some(why) => format!(", sealed batches{why}"),
                None => String::new(),
            };
            let pooler = about.pooler.as_ref().map_or(String::new(), |pooler| format!(", behind {pooler}"));
            let form = if about.form.is_empty() { String::new() } else { format!(" ({})", about.form) };
            parts.push(format!("{name}: {} {}{form}{sealed}{pooler}", about.product, about.version));
        }
        let mut places: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
        for finding in &self.findings {
            let database = finding.place.split('.').next().unwrap_or_default();
            places.entry(database).or_default().push(finding.clone());
        }
        for (database, findings) in places {
            parts.push(format!("\n{database}\n{}", report::findings(&findings)));
        }
        if !parts.is_empty() {
            parts.push(String::new());
        }
        parts.push(report::summary(&self.findings));
        parts.join("\n")
    }

    fn fail(&mut self, fault: &Fault) {
        let finding = report::fault(fault);
        self.unreachable |= fault.cause() == Cause::Unreachable;
        self.findings.push(finding);
    }
}
