//! The program itself, as an operator starts it: whole process, start and recount included.

use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::process::{command, finish, watch};

pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) changed: u64,
}

/// What happens to the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Delete,
    Transform,
}

pub(crate) async fn run(url: &str, deed: Deed, batch: u32) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("forgetd.yaml");
    let (table, action) = match deed {
        Deed::Delete => ("event", "delete".to_owned()),
        Deed::Transform => {
            let token = |kind: &str| format!("{{ pseudonymize: {kind}, domain: people }}");
            let (email, text) = (token("email"), token("text"));
            ("person", format!("{{ transform: {{ columns: {{ email: {email}, name: {text}, phone: {text} }} }} }}"))
        }
    };
    let policy = format!(
        "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {{ file: url }}\n    throttle: {{ batch_rows_max: {batch} }}\n\
         evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
         pseudonym_keys: [{{ id: k1, domain: people, file: people.key }}]\n\
         rules:\n  - name: bench\n    table: {table}\n    keep_for: 30d\n    since: {{ column: at, zone: UTC }}\n    mode: enforce\n    \
         action: {action}\n"
    );
    std::fs::write(&config, policy).unwrap();
    std::fs::write(folder.path().join("url"), format!("{url}?ssl-mode=disabled")).unwrap();
    finish(command(&config).args(["keys", "new", "evidence", "--out"]).arg(folder.path().join("key")));
    let people = folder.path().join("people.key");
    finish(command(&config).args(["keys", "new", "pseudonym", "--domain", "people", "--out"]).arg(people));
    finish(command(&config).arg("install"));
    finish(command(&config).arg("approve"));
    let started = Instant::now();
    let child = command(&config).args(["run", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let (child, peak_kib) = watch(child).await;
    let seconds = started.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_default();
    assert_eq!(line["verdict"], "clean", "{text}");
    Run {
        seconds,
        longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
        #[allow(clippy::cast_precision_loss, reason = "kibibytes")]
        peak_mib: peak_kib as f64 / 1024.0,
        changed: line["changed"].as_u64().unwrap(),
    }
}
