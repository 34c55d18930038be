//! Wires the program together: the only room besides `config` that names a connector crate.

use std::collections::BTreeMap;

use async_trait::async_trait;
use forgetd_connector::{Cause, ConnectContext, Connections, Connector, Fault, FaultClass, Product, UnsupportedEngine};
use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Config, Control, Database, Problem, Problems, UrlSource};
use crate::run::{Databases, Reach};

/// How long any single call to a database may take before it is given up as lost.
const CALL_TIMEOUT_MS: u64 = 60_000;

/// How long a look waits for a lock.
const LOCK_WAIT_MS: u64 = 200;

/// Connects to every database of the configuration.
///
/// Fails only for what is wrong with the configuration itself: a URL that cannot be read or names no engine that this
/// build knows.
pub async fn connect(config: &Config) -> Result<Databases, Problems> {
    connect_counted(config, |_| Connections::default()).await
}

/// The same, counting the connections to each database, by its name, where `count` says.
pub async fn connect_counted(config: &Config, count: impl Fn(&str) -> Connections) -> Result<Databases, Problems> {
    // Side by side: one that is slow to answer, or whose URL is, keeps no other waiting.
    let each = config.databases.iter().map(|database| {
        let connections = count(&database.name);
        async move { (&database.name, connect_to_one(database, &config.instance, connections).await) }
    });
    let mut connectors = BTreeMap::new();
    let mut problems = vec![];
    for (name, connected) in join_all(each).await {
        match connected {
            Ok(connector) => drop(connectors.insert(name.clone(), connector)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Databases::new(connectors).with_replicas(replicas(config)))
}

/// Connects to one database of the configuration.
///
/// The outer error is about the configuration, the inner one about the database.
pub async fn connect_database(config: &Config, name: &str) -> Result<Result<Box<dyn Connector>, Fault>, Problem> {
    connect_database_counted(config, name, Connections::default()).await
}

/// The same, counting its connections.
pub async fn connect_database_counted(
    config: &Config,
    name: &str,
    connections: Connections,
) -> Result<Result<Box<dyn Connector>, Fault>, Problem> {
    let Some(database) = config.database(name) else {
        return Err(Problem::new("databases", format!("has no entry {name}"), "correct the name"));
    };
    connect_to_one(database, &config.instance, connections).await
}

/// Reads the URL and connects.
async fn connect_to_one(
    database: &Database,
    instance: &str,
    connections: Connections,
) -> Result<Result<Box<dyn Connector>, Fault>, Problem> {
    match database.url.read().await {
        Ok(url) => connect_one(database, &url, instance, connections).await,
        Err(problem) if database.url.is_command() => Ok(Err(no_url(&database.name, &problem))),
        Err(problem) => Err(problem),
    }
}

/// The replicas that the databases name; none is connected to yet.
fn replicas(config: &Config) -> BTreeMap<String, Vec<Box<dyn Reach>>> {
    let of = |database: &Database| {
        let reach = |(n, url): (usize, &UrlSource)| {
            let name = format!("{}.replicas[{n}]", database.name);
            let database = Database { name, url: url.clone(), ..database.clone() };
            Box::new(Replica { database, instance: config.instance.clone() }) as Box<dyn Reach>
        };
        (database.name.clone(), database.replicas.iter().enumerate().map(reach).collect())
    };
    config.databases.iter().filter(|database| !database.replicas.is_empty()).map(of).collect()
}

/// A replica of a database: connected to as the database is, at another place.
struct Replica {
    database: Database,
    instance: String,
}

#[async_trait(?Send)]
impl Reach for Replica {
    async fn connect(&self) -> Result<Box<dyn Connector>, Fault> {
        let Replica { database, instance } = self;
        let misread = |problem: Problem| no_url(&database.name, &problem);
        let url = database.url.read().await.map_err(misread)?;
        connect_one(database, &url, instance, Connections::default()).await.map_err(misread)?
    }
}

/// A program that makes a URL can fail now and work later: the configuration is right, and others are not kept from working.
fn no_url(database: &str, problem: &Problem) -> Fault {
    Fault::new(FaultClass::Unreachable, "read the URL", database).with_detail(problem.to_string())
}

/// Makes the demo's database.
#[cfg(feature = "sqlite")]
pub fn create_sqlite(path: &std::path::Path, script: &str) -> Result<(), Fault> {
    forgetd_sqlite::create(path, script)
}

/// The rows of a query on a SQLite database, as texts. For the demo.
#[cfg(feature = "sqlite")]
pub fn ask_sqlite(path: &std::path::Path, query: &str) -> Result<Vec<Vec<String>>, Fault> {
    forgetd_sqlite::ask(path, query)
}

/// Connects to a database that no configuration names yet, to look at it.
pub async fn connect_to(url: &SecretString, name: &str) -> Result<Result<Box<dyn Connector>, Fault>, Problem> {
    let context = ConnectContext {
        database: name.into(),
        instance: "init".into(),
        control_name: "forgetd".into(),
        lock_wait_ms: LOCK_WAIT_MS,
        call_timeout_ms: CALL_TIMEOUT_MS,
        // Nothing is changed through it.
        batch_rows_max: 0,
        connections_max: 2,
        application: "forgetd init".into(),
        connections: Connections::default(),
        // Looking does no harm; whoever writes the configuration decides then.
        unsupported_engine: UnsupportedEngine::Accept,
    };
    connect_by_scheme(url, context).await
}

/// Connects to one database.
async fn connect_one(
    database: &Database,
    url: &SecretString,
    instance: &str,
    connections: Connections,
) -> Result<Result<Box<dyn Connector>, Fault>, Problem> {
    let control_name = match &database.control {
        Control::Named(name) => name.clone(),
        Control::At(_) => "forgetd".into(),
    };
    let context = ConnectContext {
        database: database.name.clone(),
        instance: instance.into(),
        control_name,
        lock_wait_ms: database.lock_wait_ms,
        call_timeout_ms: CALL_TIMEOUT_MS,
        batch_rows_max: database.throttle.delete_rows_max,
        connections_max: database.max_connections,
        application: format!("forgetd {instance}"),
        connections,
        unsupported_engine: database.unsupported_engine,
    };
    connect_by_scheme(url, context).await
}

async fn connect_by_scheme(
    url: &SecretString,
    context: ConnectContext,
) -> Result<Result<Box<dyn Connector>, Fault>, Problem> {
    let scheme = url.expose_secret().split(':').next().unwrap_or_default().to_ascii_lowercase();
    let place = format!("databases.{}.url", context.database);
    match scheme.as_str() {
        #[cfg(feature = "mongodb")]
        "mongodb" | "mongodb+srv" => {
            let config = forgetd_mongodb::Config { url: url.clone(), password: None };
            Ok(forgetd_mongodb::connect(config, context).await)
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => {
            let config = forgetd_mysql::Config { url: url.clone(), password: None };
            Ok(forgetd_mysql::connect(config, context).await)
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            let config = forgetd_postgres::Config { url: url.clone(), password: None };
            Ok(forgetd_postgres::connect(config, context).await)
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let config = forgetd_sqlite::Config::from_url(url.expose_secret())
                .map_err(|error| Problem::new(&place, error.to_string(), "correct the URL"))?;
            Ok(forgetd_sqlite::connect(config, context).await)
        }
        _ => Err(Problem::new(
            place,
            "the URL begins with no scheme that this build of forgetd knows",
            format!("begin it with {}", schemes()),
        )),
    }
}

/// Every product that the connectors of this build tell apart, by the engine whose protocol it speaks. For documentation.
pub const PRODUCTS: &[(&str, &[Product])] = &[
    #[cfg(feature = "postgres")]
    ("PostgreSQL", forgetd_postgres::PRODUCTS),
    #[cfg(feature = "mysql")]
    ("MySQL", forgetd_mysql::PRODUCTS),
    #[cfg(feature = "sqlite")]
    ("SQLite", forgetd_sqlite::PRODUCTS),
    #[cfg(feature = "mongodb")]
    ("MongoDB", forgetd_mongodb::PRODUCTS),
];

fn schemes() -> String {
    let mut schemes = vec![];
    if cfg!(feature = "mongodb") {
        schemes.push("mongodb://");
    }
    if cfg!(feature = "mysql") {
        schemes.push("mysql://");
    }
    if cfg!(feature = "postgres") {
        schemes.push("postgres://");
    }
    if cfg!(feature = "sqlite") {
        schemes.push("sqlite://");
    }
    schemes.join(" or ")
}

/// The exit code of a command that a fault ended: 69 where a database cannot be reached, 5 where the role cannot see,
/// 4 where it may not act, else 1.
pub fn exit_code(fault: &Fault) -> u8 {
    match fault.class {
        FaultClass::Unreachable | FaultClass::Disconnected => 69,
        FaultClass::Blind(_) => 5,
        FaultClass::Blocked(Cause::Fenced) => 75,
        FaultClass::Blocked(_) | FaultClass::Timeout | FaultClass::Locked | FaultClass::LockedWhole => 4,
        FaultClass::Row(_) | FaultClass::Transient | FaultClass::Internal => 1,
    }
}
