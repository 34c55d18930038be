//! Prometheus itself, Debian's, asked as Grafana and people ask it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use forgetd::clock;
use serde_json::Value;
use url::form_urlencoded;

use super::rules;
use crate::harness::{Process, free_port, until};

/// How often a daemon is scraped: twice in the shortest time of the rules.
pub(super) const SCRAPE_EVERY: &str = "500ms";

/// How often alerts are looked at.
const EVALUATE_EVERY: &str = "250ms";

/// A process that is scraped.
pub(super) struct Target {
    pub(super) job: String,
    pub(super) pod: String,
    pub(super) port: u16,
}

/// An alert that Prometheus knows of now.
pub(super) struct Active {
    pub(super) name: String,
    pub(super) firing: bool,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// A Prometheus, for everybody who asks it.
pub(super) struct Prometheus {
    port: u16,
    began: i64,
}

/// Its process, which ends when this is dropped.
pub(super) struct Running {
    _process: Process,
    _folder: tempfile::TempDir,
}

/// Where the program is: in the PATH, or where `./test` keeps it. Continuous integration has it; elsewhere it may be missing.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/forgetd-test"));
    let cache = std::env::var_os("FORGETD_TEST_CACHE").map(PathBuf::from).or(home);
    let folders = std::env::split_paths(&path).chain(cache.map(|cache| cache.join("prometheus")));
    let found = folders.map(|folder| folder.join("prometheus")).find(|program| program.is_file());
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found.is_some() || !strict, "prometheus is missing: Debian stable has it, and ./test fetches it");
    found
}

// === impl Prometheus ===

impl Prometheus {
    /// Starts it with the chart's rules and these targets, and waits until it answers. `page` is where the parts of its pages
    /// are; without it there are none.
    pub(super) fn start(program: &Path, targets: &[Target], page: Option<&Path>) -> (Self, Running) {
        let folder = tempfile::tempdir().expect("tempdir");
        for name in rules::FILES {
            std::fs::write(folder.path().join(name), rules::hastened_file(name)).expect("write");
        }
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, configuration(targets)).expect("write");
        let port = free_port();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=warn");
        command.args(page.map(|page| format!("--web.local-assets={}", page.display())));
        let mut process = Process::spawn(command.current_dir(folder.path()));
        let prometheus = Self { port, began: clock::now().as_second() };
        until("Prometheus is ready", 60, || {
            assert!(process.runs(), "Prometheus ended");
            prometheus.get("/-/ready").is_some_and(|(status, _)| status == 200)
        });
        (prometheus, Running { _process: process, _folder: folder })
    }

    /// Waits until it has looked at so many targets, whether or not anybody answered: it begins some seconds after its start.
    pub(super) fn until_it_scrapes(&self, targets: usize) {
        until("Prometheus scrapes", 60, || {
            sleep(Duration::from_millis(100));
            self.ask("up").len() == targets
        });
    }

    /// What an expression says now.
    pub(super) fn ask(&self, expression: &str) -> Vec<Value> {
        self.results("query", &[("query", expression)])
    }

    /// How many series an expression had a value of, over all the time since the start.
    pub(super) fn series(&self, expression: &str) -> usize {
        let (began, now) = (self.began.to_string(), (clock::now().as_second() + 1).to_string());
        let asked = [("query", expression), ("start", &began), ("end", &now), ("step", "0.5")];
        let has_value = |series: &&Value| {
            let values = series["values"].as_array().into_iter().flatten();
            values.filter_map(|value| value[1].as_str()).any(|value| value != "NaN")
        };
        self.results("query_range", &asked).iter().filter(has_value).count()
    }

    /// Every alert that is pending or fires.
    pub(super) fn alerts(&self) -> Vec<Active> {
        let words = |map: &Value| -> BTreeMap<String, String> { serde_json::from_value(map.clone()).expect("words") };
        let alert = |alert: &Value| Active {
            name: alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned(),
            firing: alert["state"] == "firing",
            labels: words(&alert["labels"]),
            annotations: words(&alert["annotations"]),
        };
        self.data("alerts", &[])["alerts"].as_array().expect("alerts").iter().map(alert).collect()
    }

    /// No rule of the chart met an error.
    pub(super) fn assert_rules_are_well(&self) {
        let data = self.data("rules", &[]);
        let groups = data["groups"].as_array().expect("groups").iter();
        let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() > rules::alerts().len(), "{data}");
        let ill: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
        assert!(ill.is_empty(), "{ill:?}");
    }

    fn results(&self, what: &str, asked: &[(&str, &str)]) -> Vec<Value> {
        self.data(what, asked)["result"].as_array().cloned().unwrap_or_default()
    }

    /// What a path of its API answers.
    fn data(&self, what: &str, asked: &[(&str, &str)]) -> Value {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
        let (_, body) = self.get(&format!("/api/v1/{what}?{query}")).expect("an answer of Prometheus");
        let mut answer: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{what}: {body}"));
        assert_eq!(answer["status"], "success", "{asked:?}: {answer}");
        answer["data"].take()
    }

    /// Where a browser finds a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Status and body. By HTTP/1.0, so that the body comes as it is.
    pub(super) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: t\r\n\r\n").as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }
}

fn configuration(targets: &[Target]) -> String {
    let mut text = format!(
        "global: {{ scrape_interval: {SCRAPE_EVERY}, scrape_timeout: {SCRAPE_EVERY}, evaluation_interval: {EVALUATE_EVERY} }}\n\
         rule_files: {:?}\nscrape_configs:\n",
        rules::FILES
    );
    for Target { job, pod, port } in targets {
        // A scrape's own name must be the only one of its kind; the job is what the rules go by.
        text += &format!(
            "  - job_name: {job}-{pod}\n    static_configs:\n      \
             - {{ targets: [\"127.0.0.1:{port}\"], labels: {{ job: {job}, namespace: shop, pod: {pod} }} }}\n"
        );
    }
    text
}
