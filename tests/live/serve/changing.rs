//! What changes while it serves: the configuration, and the database under it.

use super::{DUE, FRESH, LEASE, SELDOM, open_shop, serve, shops, status, until_held};
use crate::harness::{Database, Postgres, Program, Sqlite, until};
use crate::shop;

fn rewritten(program: &Program, database: &dyn Database, keep_for: &str) {
    let rule = shop::rule().with(SELDOM).with(&format!("keep_for: {keep_for}"));
    program.policy(&shop::ruled_by(database, LEASE, &rule));
}

#[test]
fn a_changed_file_is_in_force_and_a_broken_one_is_not() {
    let database = Sqlite::database();
    let program = open_shop(&database, SELDOM);
    let process = serve(&program);
    until_held(&program);
    // Rows of 20 days are not due under the old rule, and are under the new one.
    rewritten(&program, &database, "10d");
    process.signal("HUP");
    until("the new rule is in force", 30, || {
        // The whole table is due under it: that needs somebody's word.
        program.call(&["run", "--json"]).lines().first().is_some_and(|report| report["cause"] == "whole_table_due")
    });
    program.write("forgetd.yaml", "version: 1\nrules: [");
    process.signal("HUP");
    // The one before stays in force: the holder still answers, and what it is asked is refused for the same reason.
    rewritten(&program, &database, "30d");
    until("the old rule is back", 30, || {
        program.call(&["run", "--json"]).lines().first().is_some_and(|report| report["changed"] == DUE)
    });
    assert_eq!(shop::rows(&database), FRESH);
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(ended.stderr.contains("rule changed"), "{}", ended.stderr);
}

/// A sidecar stays whatever is wrong, and works when it was mended; by itself it ends with 78.
#[test]
fn a_broken_configuration_ends_it_only_where_nobody_else_depends_on_it() {
    let database = Sqlite::database();
    let program = open_shop(&database, SELDOM);
    let good = std::fs::read_to_string(program.path("forgetd.yaml")).unwrap();
    program.write("forgetd.yaml", "version: 1\nrules: [");
    let alone = program.call(&["serve", "--listen", "127.0.0.1:0"]).expect(78);
    assert!(alone.stderr.contains("forgetd.yaml:2"), "{}", alone.stderr);
    let mut sidecar = program.start(&["serve", "--mode", "sidecar", "--listen", "127.0.0.1:0"]);
    assert!(sidecar.runs());
    program.write("forgetd.yaml", &good);
    until_held(&program);
    assert!(sidecar.runs());
    sidecar.signal("TERM");
    sidecar.wait().expect(0);
}

/// The password changes on the server and then in its file, and every session of the old one is ended.
#[test]
fn a_rotated_password_is_read_from_its_file() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let role = Login::new(&database);
    let policy = shop::ruled_by(&database, LEASE, &shop::rule().with(SELDOM));
    let program = shops::with_url_from(&database, &policy, "{ file: url }", &role.url("one"));
    let mut process = serve(&program);
    until_held(&program);
    role.becomes("two");
    role.ends_sessions();
    // Every new session is refused until the file holds the new password too.
    program.call(&["status"]).expect(69);
    assert!(process.runs());
    program.write("url", &role.url("two"));
    until_held(&program);
    program.call(&["run"]).expect(0);
    assert_eq!((shop::rows(&database), &status(&program)["verdict"]), (FRESH, &"clean".into()));
    // Once more, while nothing is ended: sessions that are made anew have the new one.
    role.becomes("three");
    program.write("url", &role.url("three"));
    shop::add(&database, DUE + FRESH + 1, 10, 40);
    program.call(&["run"]).expect(0);
    assert_eq!(shop::rows(&database), FRESH);
    process.signal("TERM");
    let ended = process.wait().expect(0);
    for password in ["one", "two", "three"] {
        assert!(!ended.stderr.contains(&role.secret(password)), "{}", ended.stderr);
    }
}

/// A login whose password lives for one connection at a time: a program hands out the newest.
#[test]
fn a_program_makes_the_url_for_each_connection() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let role = Login::new(&database);
    let policy = shop::ruled_by(&database, LEASE, &shop::rule().with(SELDOM));
    let source =
        "{ command: [/bin/sh, -c, 'cat url && echo asked >> asked; found=$?; echo secret words >&2; exit $found'] }";
    let program = shops::with_url_from(&database, &policy, source, &role.url("one"));
    let process = serve(&program);
    until_held(&program);
    role.becomes("two");
    program.write("url", &role.url("two"));
    let before = asked(&program);
    program.call(&["run"]).expect(0);
    assert_eq!(shop::rows(&database), FRESH);
    assert!(asked(&program) > before + 1, "by who asked for the run, and by who did it");
    // It fails, and is asked again.
    std::fs::remove_file(program.path("url")).unwrap();
    let failed = program.call(&["status"]).expect(69);
    assert!(failed.stderr.contains("command /bin/sh: ended with exit code"), "{}", failed.stderr);
    role.ends_sessions();
    program.write("url", &role.url("two"));
    until_held(&program);
    process.signal("TERM");
    let ended = process.wait().expect(0);
    for stderr in [&ended.stderr, &failed.stderr] {
        assert!(!stderr.contains("secret words") && !stderr.contains(&role.secret("two")), "{stderr}");
    }
}

/// How often the program was asked for a URL.
fn asked(program: &Program) -> usize {
    std::fs::read_to_string(program.path("asked")).unwrap_or_default().lines().count()
}

/// A superuser who must give a password.
struct Login<'a> {
    database: &'a Postgres,
    name: String,
}

impl<'a> Login<'a> {
    fn new(database: &'a Postgres) -> Self {
        let login = Self { database, name: format!("{}_rotated", database.name()) };
        let (name, secret) = (&login.name, login.secret("one"));
        database.exec(&format!("create role {name} login superuser password '{secret}' in role forgetd_scram"));
        login
    }

    fn secret(&self, password: &str) -> String {
        format!("{}-{password}", self.name)
    }

    /// Where it logs in with a password.
    fn url(&self, password: &str) -> String {
        let at = Postgres::address();
        format!("postgres://{}:{}@{at}/{}", self.name, self.secret(password), self.database.name())
    }

    fn becomes(&self, password: &str) {
        self.database.exec(&format!("alter role {} password '{}'", self.name, self.secret(password)));
    }

    fn ends_sessions(&self) {
        let name = &self.name;
        self.database.exec(&format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{name}'"));
    }
}

impl Drop for Login<'_> {
    fn drop(&mut self) {
        // Its tables go with the database; a role is the server's.
        let away = format!("reassign owned by {0} to postgres; drop owned by {0}; drop role {0}", self.name);
        drop(self.database.session().attempt(&away));
    }
}
