//! Where a rule's rows live, and where its receipts do.

use std::collections::BTreeMap;

use forgetd_connector::{Atomicity, Cause, Connector, Control, ControlState, Fault, FaultClass, Generation};

use super::{Databases, Reach};
use crate::config::{self, Config};

/// One database of the policy with the control tables that hold its receipts.
pub struct Site<'a> {
    /// Its name in the policy.
    pub name: &'a str,
    /// Its settings.
    pub settings: &'a config::Database,
    /// The connection to its rows.
    pub connector: &'a dyn Connector,
    /// The replicas that it names.
    pub replicas: &'a [Box<dyn Reach>],
    /// The control tables.
    pub control: &'a dyn Control,
    /// How effect and receipt belong together.
    pub atomicity: Atomicity,
    /// What the control tables look like.
    pub state: ControlState,
}

/// Every database of the policy, usable or not.
pub struct Sites<'a> {
    databases: &'a Databases,
    home: &'a str,
    sites: BTreeMap<&'a str, Result<Site<'a>, Fault>>,
}

// === impl Sites ===

impl<'a> Sites<'a> {
    /// Looks at the control tables of every database. A database that cannot be reached is simply not acted on.
    pub async fn survey(config: &'a Config, databases: &'a Databases) -> Self {
        let mut sites = BTreeMap::new();
        for settings in &config.databases {
            sites.insert(settings.name.as_str(), Site::survey(settings, databases).await);
        }
        Self { databases, home: config.home().map_or("", |home| home.name.as_str()), sites }
    }

    /// The site of one database.
    pub fn site(&self, name: &str) -> Result<&Site<'a>, Fault> {
        match self.sites.get(name) {
            Some(Ok(site)) => Ok(site),
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(Fault::new(FaultClass::Internal, "look up", name)),
        }
    }

    /// The site that holds the lease.
    pub fn home(&self) -> Result<&Site<'a>, Fault> {
        self.site(self.home)
    }

    /// Whether a fault of this class can be that of a statement which was stopped with the process.
    pub(super) fn stopped(&self, class: FaultClass) -> bool {
        self.databases.stopped(class)
    }

    /// Sites whose control tables are usable.
    pub fn ready(&self) -> impl Iterator<Item = (&Site<'a>, &Generation)> {
        self.sites.values().filter_map(|site| {
            let site = site.as_ref().ok()?;
            Some((site, site.generation().ok()?))
        })
    }

    /// Sites that hold usable control tables themselves: each set of tables once.
    pub fn holders(&self) -> impl Iterator<Item = &Site<'a>> {
        self.ready().map(|(site, _)| site).filter(|site| matches!(site.settings.control, config::Control::Named(_)))
    }

    /// Their control tables, with the name of the database that holds them.
    pub fn controls(&self) -> Vec<(&'a str, &'a dyn Control)> {
        self.holders().map(|site| (site.name, site.control)).collect()
    }
}

// === impl Site ===

impl<'a> Site<'a> {
    async fn survey(settings: &'a config::Database, databases: &'a Databases) -> Result<Self, Fault> {
        let connector = databases.get(&settings.name)?;
        let (holder, atomicity) = match &settings.control {
            config::Control::Named(_) => (connector, connector.capabilities().atomicity),
            config::Control::At(other) => (databases.get(other)?, Atomicity::Sealed),
        };
        let state = holder.control().inspect().await?;
        let replicas = databases.replicas(&settings.name);
        Ok(Self { name: &settings.name, settings, connector, replicas, control: holder.control(), atomicity, state })
    }

    /// The generation of the control tables, or why they cannot be used.
    pub fn generation(&self) -> Result<&Generation, Fault> {
        let blocked = |detail: String| {
            Fault::new(FaultClass::Blocked(Cause::ControlTables), "inspect control tables", self.name)
                .with_detail(detail)
        };
        match &self.state {
            ControlState::Ready(generation) => Ok(generation),
            ControlState::Missing(names) => Err(blocked(format!("missing: {}", names.join(", ")))),
            ControlState::OtherVersion(version) => Err(blocked(format!("they have version {version}"))),
            ControlState::Denied(names) => Err(blocked(format!("no privilege on: {}", names.join(", ")))),
        }
    }
}
