//! Cases that were written down: corners of the rules, and what was found to go wrong once.

use forgetd_testkit::generator::Case;

use crate::rounds::on_engines;
use crate::shrink::folder;

/// The names of all of them.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Runs one on every engine.
pub(crate) fn run(name: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{name}.json: {error}"))?;
    let case = Case::from_json(&json).map_err(|unreadable| format!("{name}.json: {unreadable:?}"))?;
    let expected = json.get("due").and_then(serde_json::Value::as_u64);
    let mut done = Ok(String::new());
    on_engines(&[], |engine| match engine.run(&case) {
        Ok(_) if !engine.takes(&case) => {}
        Ok(seen) if expected.is_none_or(|due| due == seen.due) => {
            if let Ok(line) = &mut done {
                *line = format!("{} of {} rows", seen.due, seen.rows);
            }
        }
        Ok(seen) => done = Err(format!("{} rows were due, the case says {expected:?}", seen.due)),
        Err(why) => done = Err(format!("{}: {why}", engine.name())),
    });
    done
}
