//! An installation by a DBA: control tables by the superuser, everything else under a role of its own.

use super::{Database, Policy, Program, Rule};

/// A database whose server has roles.
pub(crate) trait Roles: Database {
    /// A new role that may log in and nothing else; its name.
    fn role(&self) -> String;

    /// The URL for connecting as a role.
    fn url_as(&self, role: &str) -> String;
}

/// What a DBA made of `install --print`.
pub(crate) struct Granted {
    /// The program, connecting as the role.
    pub(crate) program: Program,
    /// The role.
    pub(crate) role: String,
    /// The statements that were printed for it, without the DDL.
    pub(crate) grants: Vec<String>,
}

/// Runs what `install --print` prints, and nothing else, for a new role.
pub(crate) fn granted(database: &dyn Roles, rules: &[Rule]) -> Granted {
    let role = database.role();
    let policy = |url: &str| rules.iter().fold(Policy::new(url), Policy::rule);
    let program = Program::new(&policy(&database.url()));
    let printed = program.call(&["install", "--print", "--role", &role]).expect(0).stdout;
    database.exec(&printed);
    program.policy(&policy(&database.url_as(&role)));
    let statements = printed.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let grants = statements.split(';').map(str::trim).filter(|text| text.to_lowercase().starts_with("grant "));
    let grants = grants.map(str::to_owned).collect();
    Granted { program, role, grants }
}
