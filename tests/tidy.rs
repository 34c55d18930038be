//! Rules about the tree that no compiler checks: sizes, names, and who may name whom.
#![allow(clippy::unwrap_used, reason = "a tree that cannot be read fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer files hold more than one concept.
const LINES_MAX: usize = 500;

/// Names that say nothing about what is inside.
const NAMES_BANNED: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff"];

/// Each room of `src/`, and the rooms it may name beside itself. A new edge is a decision: write it down here.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("shutdown", &[]),
    ("throttle", &[]),
    ("approval", &["evidence"]),
    ("rules", &["approval", "evidence", "transform"]),
    ("plan", &["rules", "transform"]),
    ("guard", &["approval", "rules", "plan", "transform"]),
    ("transform", &["keys"]),
    ("keys", &["evidence", "config"]),
    ("evidence", &["approval", "rules", "keys", "run", "clock"]),
    ("config", &["approval", "rules", "transform"]),
    ("telemetry", &["board", "rules", "run", "clock"]),
    ("board", &["rules", "run"]),
    ("http", &["board", "telemetry", "evidence", "rules", "run", "clock"]),
    ("lease", &["config", "clock", "telemetry"]),
    (
        "run",
        &[
            "approval",
            "config",
            "rules",
            "plan",
            "preflight",
            "guard",
            "evidence",
            "keys",
            "lease",
            "throttle",
            "transform",
            "telemetry",
            "clock",
            "shutdown",
        ],
    ),
    ("preflight", &["rules", "plan"]),
    (
        "app",
        &[
            "config",
            "rules",
            "plan",
            "guard",
            "preflight",
            "run",
            "lease",
            "evidence",
            "keys",
            "telemetry",
            "clock",
            "shutdown",
        ],
    ),
    (
        "serve",
        &[
            "app",
            "approval",
            "board",
            "http",
            "config",
            "rules",
            "preflight",
            "run",
            "lease",
            "evidence",
            "keys",
            "telemetry",
            "clock",
            "shutdown",
            "throttle",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "approval",
            "serve",
            "config",
            "rules",
            "plan",
            "guard",
            "preflight",
            "run",
            "lease",
            "evidence",
            "keys",
            "transform",
            "telemetry",
            "clock",
            "shutdown",
        ],
    ),
];

/// The files of `src/` that may name a database's crate.
const MAY_NAME_DATABASES: &[&str] = &["src/config/", "src/app.rs", "src/app/"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below the folders that hold our code, by its path from the root, with its text.
fn sources() -> Vec<(String, String)> {
    let mut files = vec![];
    for folder in ["src", "connectors", "tests", "benches", "examples"] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 40, "only {} files found: the walk is broken", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" && entry.file_name() != "corpus" {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Fails with all complaints at once.
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The text without comments and doc comments, so that words about code are not taken for code.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().map(|(name, text)| (name, text.lines().count())).filter(|(_, n)| *n > LINES_MAX);
    assert_none(long.map(|(name, n)| format!("{name}: {n} lines, at most {LINES_MAX}")).collect());
}

#[test]
fn names_say_what_is_inside() {
    let mut complaints = vec![];
    for (name, _) in sources() {
        let parts = Path::new(&name).with_extension("");
        for part in parts.iter().map(|part| part.to_str().unwrap()) {
            if NAMES_BANNED.contains(&part) {
                complaints.push(format!("{name}: `{part}` says nothing about what is inside"));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here so that this file does not find itself.
    let words = [["to", "do!("], ["unimple", "mented!("], ["#[ig", "nore"], ["TO", "DO"], ["FIX", "ME"], ["XX", "X"]];
    let mut complaints = vec![];
    for (name, text) in sources() {
        for (n, line) in text.lines().enumerate() {
            for word in words.iter().map(|halves| halves.concat()) {
                if line.contains(&word) {
                    complaints.push(format!("{name}:{}: {word}", n + 1));
                }
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn rooms_name_only_the_rooms_below_them() {
    let mut complaints = vec![];
    for (name, text) in sources() {
        let Some(room) = room_of(&name) else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
            complaints.push(format!("{name}: the room `{room}` has no line in tests/tidy.rs"));
            continue;
        };
        for other in rooms_named(&code(&text)) {
            if other != room && !allowed.contains(&other.as_str()) {
                complaints.push(format!("{name}: `{room}` names `{other}`"));
            }
        }
    }
    assert_none(complaints);
}

/// The room a file belongs to; absent for `main.rs`, `lib.rs` and everything outside `src/`.
fn room_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix("src/")?;
    let room = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "main" | "lib")).then(|| room.to_owned())
}

/// What follows `crate::`, alone or in braces.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        // `$crate::` and `forgetd_crate::` are others' words.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + found.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut item = String::new();
            for c in list.chars() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                if depth == 0 || (depth == 1 && c == ',') {
                    rooms.insert(first_word(&item));
                    item.clear();
                } else {
                    item.push(c);
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            rooms.insert(first_word(rest));
        }
    }
    rooms.retain(|room| ROOMS.iter().any(|(known, _)| known == room));
    rooms
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn only_config_and_app_name_a_database() {
    let mut complaints = vec![];
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("src/")) {
        if MAY_NAME_DATABASES.iter().any(|allowed| name.starts_with(allowed)) {
            continue;
        }
        for database in [
            "forgetd_mongodb",
            "forgetd_mysql",
            "forgetd_postgres",
            "forgetd_sqlite",
            "mongodb::",
            "mysql_async",
            "tokio_postgres",
            "rusqlite",
        ] {
            if code(&text).contains(database) {
                complaints.push(format!("{name}: names {database}"));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn the_oracle_judges_by_itself() {
    let manifest = fs::read_to_string(root().join("connectors/testkit/Cargo.toml")).unwrap();
    let mut complaints = vec![];
    for (n, line) in manifest.lines().enumerate() {
        let name = line.split(['.', ' ', '=']).next().unwrap();
        let is_ours = name.starts_with("forgetd") && name != "forgetd-connector";
        if is_ours || ["mongodb", "mysql_async", "rusqlite", "tokio-postgres"].contains(&name) {
            complaints.push(format!("connectors/testkit/Cargo.toml:{}: depends on {name}", n + 1));
        }
    }
    // The seam's own evaluation, which connectors build on.
    let evaluates = ["Cutoff", ".naive(", "walks_nulls", ".lead("];
    let oracle = |name: &str| name.starts_with("connectors/testkit/src/oracle/") && !name.ends_with("/tests.rs");
    let files: Vec<_> = sources().into_iter().filter(|(name, _)| oracle(name)).collect();
    assert!(files.len() > 3, "the oracle is not where this test looks for it");
    for (name, text) in files {
        complaints
            .extend(evaluates.iter().filter(|word| code(&text).contains(**word)).map(|word| format!("{name}: {word}")));
    }
    assert_none(complaints);
}

#[test]
fn findings_of_a_check_have_ids_of_the_lists() {
    // A plan notices two things of its own.
    let allowed = ["connectors/core/src/finding.rs", "src/cli/plan/rule_plan.rs"];
    let mut complaints = vec![];
    for (name, text) in sources() {
        let ours = name.starts_with("src/") || name.starts_with("connectors/") && name.contains("/src/");
        if !ours || name.ends_with("tests.rs") || allowed.contains(&name.as_str()) {
            continue;
        }
        for (at, _) in text.match_indices("Finding {") {
            let rest: String = text[at..].chars().skip("Finding {".len()).collect();
            if rest.trim_start().starts_with("id:") {
                complaints.push(format!("{name}: a finding without a Cause or a Notice"));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn every_function_of_the_suite_is_in_its_list() {
    let list = fs::read_to_string(root().join("connectors/testkit/src/suite/mod.rs")).unwrap();
    let listed: BTreeSet<&str> = list.lines().map(str::trim).collect();
    let mut complaints = vec![];
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("connectors/testkit/src/suite/")) {
        for line in text.lines().filter(|_| !name.ends_with("mod.rs")) {
            let Some(function) = line.strip_prefix("pub async fn ") else { continue };
            let function = first_word(function);
            if !listed.contains(function.as_str()) {
                complaints.push(format!("{name}: {function} is in no list, so no connector runs it"));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn every_room_of_the_list_exists() {
    // A line that no file stands for would let a misspelt room pass.
    let rooms: BTreeSet<String> = sources().iter().filter_map(|(name, _)| room_of(name)).collect();
    let idle: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).filter(|room| !rooms.contains(*room)).collect();
    assert_none(idle.iter().map(|room| format!("tests/tidy.rs: no room `{room}`")).collect());
}
