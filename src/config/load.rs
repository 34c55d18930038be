//! Loading: files, environment and flags in, [`Config`] or all problems out. The only I/O is reading the files.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    Config, Problem, Problems, layers, limits,
    node::{Kind, Node},
    place::{Place, Sources},
    raw::RawFile,
    read::{self, Field},
    resolve::{self, Lists},
    visible, words, yaml,
};

/// Where the configuration is when nobody says.
const FILE: &str = "/etc/forgetd/forgetd.yaml";

/// What loading depends on, apart from the files.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The main file; else `FORGETD_CONFIG`, else `/etc/forgetd/forgetd.yaml`.
    pub file: Option<PathBuf>,
    /// The environment. `FORGETD__SECTION__KEY` replaces a setting.
    pub env: BTreeMap<String, String>,
    /// Settings given as flags, by dotted name; they replace everything else.
    pub flags: Vec<(String, String)>,
}

// === impl LoadOptions ===

impl LoadOptions {
    /// The options of this process: its own environment, no flags. Variables that are not text are left out.
    pub fn from_env(file: Option<PathBuf>) -> Self {
        let text = |os: std::ffi::OsString| os.into_string().ok();
        let env = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Self { file, env, flags: vec![] }
    }

    /// The main file.
    pub fn main_file(&self) -> PathBuf {
        let named = || self.env.get("FORGETD_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
        self.file.clone().or_else(named).unwrap_or_else(|| PathBuf::from(FILE))
    }
}

/// Reads everything and resolves it. Nothing but the configuration files is opened: secrets are read when they are used.
pub fn load(options: &LoadOptions) -> Result<Config, Problems> {
    let main = options.main_file();
    let folder = main.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut sources = Sources::default();
    let mut problems = vec![];
    let mut files = vec![main.clone()];
    files.extend(beside(&folder, &mut problems));
    let mut loaded = vec![];
    for (number, file) in files.iter().enumerate() {
        match load_file(file, number == 0, &mut sources, &mut problems) {
            Some(file) => loaded.push(file),
            // What stands in it is unknown, so nothing can be said about what is missing.
            None => continue,
        }
    }
    if loaded.len() < files.len() {
        return Err(Problems::sorted(problems));
    }
    let (nodes, raws): (Vec<Node>, Vec<RawFile>) = loaded.into_iter().unzip();
    let (merged, found) = layers::merge(&nodes, &options.env, &options.flags, &mut sources);
    problems.extend(found);
    let (settings, found) = read::read::<RawFile>(&merged, &sources);
    problems.extend(found);
    let config = settings.and_then(|settings| {
        let mut lists = Lists::default();
        for file in raws {
            lists.rules.push(file.rules);
            lists.keys.push(file.pseudonym_keys);
            lists.approvers.push(file.approvers);
        }
        resolve::config(&settings, lists, &folder, files, &sources, &mut problems)
    });
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Problems::sorted(problems)),
    }
}

/// The files that loading would read now, the main one first. Whatever is wrong with them is said by loading.
pub fn files(options: &LoadOptions) -> Vec<PathBuf> {
    let main = options.main_file();
    let folder = main.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut files = vec![main];
    files.extend(beside(&folder, &mut vec![]));
    files
}

/// The files of `conf.d`, in the order of their names.
fn beside(folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let conf_d = folder.join("conf.d");
    let entries = match std::fs::read_dir(&conf_d) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return vec![],
        Err(error) => {
            let place = conf_d.display().to_string();
            let fix = "let this user list the folder, or remove it";
            problems.push(Problem::new(place, format!("cannot be listed: {}", error.kind()), fix));
            return vec![];
        }
    };
    let mut files = vec![];
    for entry in entries.flatten().take(limits::FILES_MAX + 1) {
        let path = entry.path();
        // Mounted volumes keep their own things in names that begin with a dot.
        if entry.file_name().as_encoded_bytes().starts_with(b".") || path.is_dir() {
            continue;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => files.push(path),
            Some("yml") => {
                let fix = "name it .yaml, or move it out of conf.d";
                problems.push(Problem::new(path.display().to_string(), "only .yaml files are read here", fix));
            }
            _ => {}
        }
    }
    if files.len() > limits::FILES_MAX {
        let message = format!("holds more than {} files", limits::FILES_MAX);
        problems.push(Problem::new(conf_d.display().to_string(), message, "put several rules into one file"));
        files.truncate(limits::FILES_MAX);
    }
    files.sort();
    files
}

fn load_file(path: &Path, main: bool, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<(Node, RawFile)> {
    let name = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err((message, fix)) => {
            problems.push(Problem::new(name, message, fix));
            return None;
        }
    };
    let source = sources.add(name, text);
    let mut node = tree(sources, source, true, problems)?;
    if node.kind == Kind::Null {
        // A file of comments says nothing.
        node.kind = Kind::Map(vec![]);
    }
    let (raw, found) = read::read::<RawFile>(&node, sources);
    problems.extend(found);
    let raw = raw?;
    check_version(&raw, main, Place { source, line: 0, column: 0 }, sources, problems);
    Some((node, raw))
}

/// The tree of one text, its keys each once. `whole` says whether it is a configuration, whose lines may be shown.
pub(super) fn tree(sources: &mut Sources, source: u32, whole: bool, problems: &mut Vec<Problem>) -> Option<Node> {
    let yaml::Parsed { node, duplicates } = match yaml::parse(sources, source) {
        Ok(parsed) => parsed,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    if whole {
        sources.show(source, visible::spans(&node, &duplicates));
    }
    for (key, first) in &duplicates {
        let message = format!("{} is written twice", words::key(&key.name));
        problems.push(sources.problem(key.place, message, format!("keep one of them; the first is in line {first}")));
    }
    Some(node)
}

fn check_version(raw: &RawFile, main: bool, file: Place, sources: &Sources, problems: &mut Vec<Problem>) {
    match &raw.version {
        Field::Given(version) if version.value != limits::VERSION => {
            let message = format!("this forgetd reads version {} of the format", limits::VERSION);
            let fix = format!("write `version: {}`, or use the forgetd the file was written for", limits::VERSION);
            problems.push(sources.problem(version.place, message, fix));
        }
        Field::Absent if main => {
            let fix = format!("write `version: {}` at its top", limits::VERSION);
            problems.push(sources.problem(file, "`version` is missing", fix));
        }
        _ => {}
    }
}

fn read_text(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::InvalidData => ("is not text in UTF-8".into(), "save it as UTF-8"),
        kind => (format!("cannot be read: {kind}"), "check the path and that this user may read it"),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(yaml::BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > yaml::BYTES_MAX {
        return Err((format!("is longer than {} bytes", yaml::BYTES_MAX), "split it into files in conf.d"));
    }
    Ok(text)
}
