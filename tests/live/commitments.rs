//! `evidence: { rows: commitments }`: the log commits to every deleted key and shows none of them; whoever is given a key
//! can check it, and nobody can guess one from the log.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::harness::{Database, Output, Postgres, Program, Sqlite, every_engine};
use super::shop;

const DUE: u64 = 250;

fn committed(database: &dyn Database) -> Program {
    shop::create(database, DUE, 10);
    let rule = shop::rule().with("evidence: { rows: commitments }");
    let program = Program::installed(&shop::ruled_by(database, "5s", &rule));
    program.run(0);
    program
}

/// The commitments of each batch as they are kept in the control tables, in the order of the batches.
fn kept(database: &dyn Database) -> Vec<Vec<[u8; 32]>> {
    let sql = match database.engine() {
        "postgres" => "select encode(rows, 'hex') from forgetd.receipt where rows is not null order by sequence".into(),
        "sqlite" => "select commitments from forgetd_receipt where commitments is not null order by sequence".into(),
        _ => {
            let receipt = database.control_table("receipt");
            format!("select lower(hex(`rows`)) from {receipt} where `rows` is not null order by sequence")
        }
    };
    let lists = database.rows(&sql).into_iter().map(|row| hex::decode(row[0].clone().unwrap()).unwrap());
    lists.map(|bytes| bytes.chunks(32).map(|one| one.try_into().unwrap()).collect()).collect()
}

/// RFC 6962, written down once more.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::new().chain_update([0]).chain_update(leaf).finalize().into(),
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(middle);
            Sha256::new().chain_update([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

#[test]
fn number_and_root_of_each_batch_are_those_of_its_list() {
    every_engine(|database| {
        let program = committed(database);
        let (batches, lists) = (program.entries("batch"), kept(database));
        assert_eq!((batches.len(), lists.len()), (3, 3), "{}", database.engine());
        for (batch, list) in batches.iter().zip(&lists) {
            assert_eq!(batch["rows"]["n"], batch["changed"]);
            assert_eq!(batch["rows"]["n"].as_u64().unwrap(), list.len() as u64);
            assert_eq!(batch["rows"]["root"], hex::encode(root(list)));
            assert!(list.is_sorted_by(|a, b| a < b), "sorted, so that it tells no order, and each once");
        }
        assert_eq!(lists.iter().map(Vec::len).sum::<usize>() as u64, DUE);
    });
}

#[test]
fn a_sealed_batch_commits_to_its_keys_too() {
    let (database, control) = (Sqlite::database(), Sqlite::database());
    shop::create(&database, DUE, 10);
    let rule = shop::rule().with("evidence: { rows: commitments }");
    let program = Program::installed(&shop::sealed_policy(&database, &control, "5s", &rule));
    program.run(0);
    for (batch, list) in program.entries("batch").iter().zip(kept(&control)) {
        assert_eq!(
            (&batch["rows"]["n"], &batch["rows"]["root"]),
            (&batch["changed"], &hex::encode(root(&list)).into())
        );
    }
}

#[test]
fn nothing_but_what_is_due_is_committed_to_and_counts_alone_hold_no_list() {
    let database = Postgres::database();
    shop::create(&database, DUE, 10);
    let program = Program::installed(&shop::policy(&database, "5s"));
    program.run(0);
    assert!(program.entries("batch").iter().all(|batch| batch.get("rows").is_none()));
    assert_eq!(database.count("select count(*) from forgetd.receipt where rows is not null"), 0);
}

#[test]
fn a_deleted_key_is_proven_and_another_one_is_not() {
    every_engine(|database| {
        let program = committed(database);
        prove(&program, "17").expect(0);
        let read = |ending: &str| std::fs::read_to_string(program.path(&format!("proof{ending}"))).unwrap();
        let row: Value = serde_json::from_str(&read(".row")).unwrap();
        let entry: Value = serde_json::from_str(&read(".entry")).unwrap();
        checks(&row, &entry);
        assert!(read("").starts_with("c2sp.org/tlog-proof@v1\n"), "the entry's own proof");
        assert!(row["row"].as_str().unwrap().ends_with(r#"["17"]]"#), "{row}");

        for other in ["251", "9999", "0", "017", "not a number"] {
            let refused = prove(&program, other).expect(1);
            assert!(
                !refused.stderr.contains(other),
                "{}: a key is not repeated: {}",
                database.engine(),
                refused.stderr
            );
        }
        // What was shown of one row opens no other.
        let mut forged = row.clone();
        forged["row"] = row["row"].as_str().unwrap().replace("17", "18").into();
        assert!(std::panic::catch_unwind(|| checks(&forged, &entry)).is_err());
    });
}

/// What somebody with SHA-256 and the three files does: the row and its nonce give the commitment, and the commitment
/// and its path give the root that the batch's entry holds.
#[track_caller]
fn checks(row: &Value, entry: &Value) {
    let text = |name: &str| row[name].as_str().unwrap();
    let bytes = |text: &str| hex::decode(text).unwrap();
    let commitment: [u8; 32] = Sha256::new()
        .chain_update(text("label"))
        .chain_update(bytes(text("nonce")))
        .chain_update(text("row"))
        .finalize()
        .into();
    assert_eq!(hex::encode(commitment), text("commitment"));
    let (mut index, mut last) = (row["index"].as_u64().unwrap(), row["n"].as_u64().unwrap() - 1);
    let mut hash = root(&[commitment]);
    for sibling in row["path"].as_array().unwrap() {
        let sibling = bytes(sibling.as_str().unwrap());
        let node = Sha256::new().chain_update([1]);
        if index % 2 == 1 || index == last {
            hash = node.chain_update(sibling).chain_update(hash).finalize().into();
            while index % 2 == 0 && index != 0 {
                (index, last) = (index / 2, last / 2);
            }
        } else {
            hash = node.chain_update(hash).chain_update(sibling).finalize().into();
        }
        (index, last) = (index / 2, last / 2);
    }
    assert_eq!(last, 0, "the path ends at the root");
    assert_eq!((hex::encode(hash).into(), &row["n"]), (entry["rows"]["root"].clone(), &entry["rows"]["n"]));
}

/// `evidence prove` of the row whose key is given on standard input.
fn prove(program: &Program, key: &str) -> Output {
    let mut command = program.command(&["evidence", "prove", "--rule", "web-sessions", "--key", "-", "--out", "proof"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses may close its input before it was read.
    drop(child.stdin.take().unwrap().write_all(format!("{key}\n").as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
