//! A configuration, from the parts a test cares about.

/// The text of one rule that enforces.
#[derive(Clone)]
pub(crate) struct Rule(String);

/// A whole configuration.
#[derive(Clone)]
pub(crate) struct Policy {
    head: String,
    databases: String,
    evidence: String,
    rules: String,
}

// === impl Rule ===

impl Rule {
    /// Deletes rows of `table` 30 days after `since`; every other setting by [`Rule::with`], also these.
    pub(crate) fn delete(name: &str, table: &str, since: &str) -> Self {
        Self(format!("  - name: {name}\n    table: {table}\n    since: {since}\n    action: delete\n"))
            .with("keep_for: 30d")
            .with("mode: enforce")
    }

    /// Transforms rows of `table` 30 days after `since`: `transform` is what stands behind `transform:`, in one line.
    pub(crate) fn transform(name: &str, table: &str, since: &str, transform: &str) -> Self {
        Self(format!("  - name: {name}\n    table: {table}\n    since: {since}\n"))
            .with(&format!("action: {{ transform: {transform} }}"))
            .with("keep_for: 30d")
            .with("mode: enforce")
    }

    /// Keeps rows of `table` for this long after `since`, whatever other rules say.
    pub(crate) fn keep(name: &str, table: &str, since: &str, keep_for: &str) -> Self {
        Self(format!(
            "  - name: {name}\n    table: {table}\n    since: {since}\n    action: keep\n    keep_for: {keep_for}\n"
        ))
    }

    /// The same with one more setting, as a line of YAML; it replaces one of the same name.
    pub(crate) fn with(self, setting: &str) -> Self {
        let name = setting.split(':').next().unwrap_or_default();
        let kept: Vec<&str> =
            self.0.lines().filter(|line| !line.trim_start().starts_with(&format!("{name}:"))).collect();
        Self(format!("{}\n    {setting}\n", kept.join("\n")))
    }
}

// === impl Policy ===

impl Policy {
    /// One database, called `main`. Rules do not wait before they act; one that should says so in its own guard.
    pub(crate) fn new(url: &str) -> Self {
        let head = "version: 1\ninstance: live\ndefaults: { guard: { cool_off: none } }\n".to_owned();
        let evidence = "  origin: example.com/forgetd/live\n  signing_key: { file: evidence.key }\n".to_owned();
        Self { head, databases: String::new(), evidence, rules: String::new() }
            .database(&format!("main:\n    url: {url}\n    home: true{}", control(url)))
    }

    /// One more entry of `databases:`, its name first, indented by 4 from the second line on.
    pub(crate) fn database(mut self, entry: &str) -> Self {
        self.databases.push_str(&format!("  {entry}\n"));
        self
    }

    /// One more database with control tables of its own.
    pub(crate) fn another(self, name: &str, url: &str) -> Self {
        self.database(&format!("{name}:\n    url: {url}{}", control(url)))
    }

    /// One more setting of the database that was added last, as a line of YAML; other control tables replace those of the
    /// database's own.
    pub(crate) fn with(mut self, setting: &str) -> Self {
        let last = self.databases.rfind(CONTROL).filter(|_| setting.starts_with("control:"));
        if let Some(start) = last {
            let end = self.databases[start + 1..].find('\n').map_or(self.databases.len(), |at| start + 1 + at);
            self.databases.replace_range(start..end, "");
        }
        self.databases.push_str(&format!("    {setting}\n"));
        self
    }

    /// One more setting at the top, as a line of YAML.
    pub(crate) fn top(mut self, setting: &str) -> Self {
        self.head.push_str(&format!("{setting}\n"));
        self
    }

    /// A key `people` for pseudonyms; [`super::Program::pseudonym_key`] makes its file.
    pub(crate) fn pseudonyms(self) -> Self {
        self.top("pseudonym_keys: [{ id: k1, domain: people, file: people.key }]")
    }

    /// One more setting of `evidence:`, as a line of YAML.
    pub(crate) fn evidence(mut self, setting: &str) -> Self {
        self.evidence.push_str(&format!("  {setting}\n"));
        self
    }

    /// One more rule.
    pub(crate) fn rule(mut self, rule: &Rule) -> Self {
        self.rules.push_str(&rule.0);
        self
    }

    /// The file's text.
    pub(crate) fn yaml(&self) -> String {
        let Self { head, evidence, rules, .. } = self;
        let databases = unresting(&self.databases);
        format!("{head}databases:\n{databases}evidence:\n{evidence}rules:\n{rules}")
    }
}

/// Databases whose batches do not rest beside others, unless a test says how they shall: the tests share servers, and there is
/// always somebody else.
fn unresting(databases: &str) -> String {
    let mut text = String::new();
    for entry in databases.split_inclusive('\n') {
        let rests = entry.contains("share_beside_others");
        match entry.strip_prefix("    throttle: {").filter(|_| !rests) {
            Some(throttle) => text.push_str(&format!("    throttle: {{ {UNRESTING},{throttle}")),
            None => text.push_str(entry),
        }
    }
    let starts = |line: &str| line.starts_with("  ") && !line.starts_with("   ");
    let lines: Vec<&str> = text.lines().collect();
    let mut whole = String::new();
    for (n, line) in lines.iter().enumerate() {
        whole.push_str(&format!("{line}\n"));
        let end = lines[n + 1..].iter().position(|line| starts(line)).map_or(lines.len(), |at| n + 1 + at);
        let told = lines[n..end].iter().any(|line| line.trim_start().starts_with("throttle:"));
        if starts(line) && line.ends_with(':') && !told {
            whole.push_str(&format!("    throttle: {{ {UNRESTING} }}\n"));
        }
    }
    whole
}

const UNRESTING: &str = "share_beside_others: 1";

/// How the setting for control tables begins.
const CONTROL: &str = "\n    control:";

/// Where all tests share a server, each of its databases has control tables of its own.
fn control(url: &str) -> String {
    super::mysql::control_name(url).map_or_else(String::new, |name| format!("{CONTROL} {{ name: {name} }}"))
}
