//! The collections themselves: how they are made, and what is there of them.

use async_trait::async_trait;
use forgetd_connector::{Cause, Control, ControlState, Fault, FaultClass, Generation, Installed};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

use super::{CONTROL_ID, MongoControl};
use crate::codec::Fields as _;
use crate::error::Fate;
use crate::probe::{self, COLLECTIONS};

/// The version of the collections that this binary makes and works with.
const VERSION: u32 = 1;

const NAMES: &[&str] = &[
    "control",
    "lease",
    "fence",
    "receipt",
    "cursor",
    "run",
    "rulebook",
    "standing",
    "request",
    "log_head",
    "log_object",
    "log_leaf",
    "head_copy",
    COLLECTIONS[0],
    COLLECTIONS[1],
];

/// Those that came later than the others, and by which no receipt is known: where these alone are missing, nothing was lost.
const LATER: &[&str] = &["standing", "request"];

/// A collection that is there already.
const EXISTS: &str = "48";

/// Indexes beside those on `_id`: the collection, the fields, and whether documents without them are left out.
fn indexes() -> Vec<(&'static str, Document, bool)> {
    let by_key = |mut first: Document| {
        first.extend(doc! { "generation": 1, "rule": 1, "lane": 1, "sequence": 1 });
        first
    };
    vec![
        ("receipt", by_key(doc! { "instance": 1 }), false),
        ("receipt", by_key(doc! { "instance": 1, "state": 1 }), false),
        ("receipt", doc! { "run": 1 }, false),
        ("receipt", doc! { "debtor": 1 }, true),
        ("run", doc! { "instance": 1, "rule": 1, "started_at": 1 }, false),
        ("request", doc! { "instance": 1, "state": 1, "posted_at": 1 }, false),
        ("log_object", doc! { "origin": 1, "path": 1 }, false),
        ("log_leaf", by_key(doc! { "instance": 1 }), false),
    ]
}

#[async_trait]
impl Control for MongoControl {
    fn ddl(&self) -> String {
        let name = &self.shared.link.context.control_name;
        let mut lines = vec![format!("db = db.getSiblingDB({name:?});")];
        lines.extend(NAMES.iter().map(|name| format!("db.createCollection({name:?});")));
        lines.extend(indexes().iter().map(|(name, keys, sparse)| {
            format!("db.getCollection({name:?}).createIndex({keys}, {{ sparse: {sparse} }});")
        }));
        lines.push(String::new());
        lines.join("\n")
    }

    fn grants(&self, role: &str) -> String {
        let name = &self.shared.link.context.control_name;
        format!("db.getSiblingDB(\"admin\").grantRolesToUser({role:?}, [{{ role: \"readWrite\", db: {name:?} }}]);\n")
    }

    async fn install(&self) -> Result<Installed, Fault> {
        let state = self.inspect().await?;
        match &state {
            ControlState::Ready(generation) => return Ok(Installed::Unchanged(generation.clone())),
            ControlState::OtherVersion(version) => {
                let fault = Fault::new(FaultClass::Blocked(Cause::ControlTables), "install", self.place());
                let detail = format!("the collections have version {version}, this forgetd knows {VERSION}");
                return Err(fault.with_detail(detail));
            }
            ControlState::Missing(_) | ControlState::Denied(_) => {}
        }
        self.create().await?;
        let probed = probe::probe(&self.shared.link).await?;
        tracing::info!(database = %self.shared.link.context.database, atomicity = %probed.words(), "probed the server");
        // Where anything of what receipts rest on was, some may have been lost with it: the generation is a new one.
        let generation = match &state {
            ControlState::Missing(missing) if missing.iter().all(|name| LATER.contains(&name.as_str())) => {
                self.generation("install").await?
            }
            _ => self.random_generation()?,
        };
        let control = doc! {
            "_id": CONTROL_ID, "version": VERSION, "generation": &generation.0,
            "probe": probed.to_document(&self.shared.facts.identity),
        };
        let collection = self.own("control");
        self.call("install", collection.replace_one(doc! { "_id": CONTROL_ID }, control).upsert(true)).await?;
        self.tell_fences(&generation).await?;
        Ok(Installed::Created(generation))
    }

    async fn inspect(&self) -> Result<ControlState, Fault> {
        const OPERATION: &str = "inspect control collections";
        let control = match self.one(OPERATION, "control", doc! { "_id": CONTROL_ID }).await {
            Err(failure) if failure.fault.class == FaultClass::Blocked(Cause::Privilege) => {
                return Ok(ControlState::Denied(vec![self.shared.link.context.control_name.clone()]));
            }
            found => found?,
        };
        let database = self.shared.link.control();
        let there = self.call(OPERATION, database.list_collection_names()).await?;
        let missing = NAMES.iter().filter(|name| !there.iter().any(|there| there == *name));
        let mut missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
        let Some(control) = control else {
            if !missing.iter().any(|name| name == "control") {
                missing.push("control".into());
            }
            return Ok(ControlState::Missing(missing));
        };
        let version = control.number("version").and_then(|version| u32::try_from(version).ok());
        Ok(match (version, control.text("generation")) {
            // Another version may have other collections; its number says more than a list of names.
            (Some(version), _) if version != VERSION => ControlState::OtherVersion(version),
            (Some(_), Some(generation)) if missing.is_empty() => ControlState::Ready(Generation(generation)),
            (Some(_), Some(_)) => ControlState::Missing(missing),
            _ => return Err(self.odd(OPERATION)),
        })
    }

    async fn new_generation(&self) -> Result<Generation, Fault> {
        const OPERATION: &str = "new generation";
        let generation = self.random_generation()?;
        let (collection, change) = (self.own("control"), doc! { "$set": { "generation": &generation.0 } });
        let done = self.call(OPERATION, collection.update_one(doc! { "_id": CONTROL_ID }, change)).await?;
        if done.matched_count != 1 {
            return Err(Fault::new(FaultClass::Blocked(Cause::ControlTables), OPERATION, self.place()));
        }
        self.tell_fences(&generation).await?;
        Ok(generation)
    }
}

// === impl MongoControl ===

impl MongoControl {
    /// Creates what is missing.
    async fn create(&self) -> Result<(), Fault> {
        let database = self.shared.link.control();
        for name in NAMES {
            match self.call("install", database.create_collection(*name)).await {
                Err(failure) if failure.fault.code.as_deref() != Some(EXISTS) => return Err(failure.fault),
                _ => {}
            }
        }
        for (name, keys, sparse) in indexes() {
            let options = IndexOptions::builder().sparse(sparse.then_some(true)).build();
            let (collection, model) = (self.own(name), IndexModel::builder().keys(keys).options(options).build());
            self.call("install", collection.create_index(model)).await?;
        }
        Ok(())
    }

    /// The generation that stands.
    pub(super) async fn generation(&self, operation: &'static str) -> Result<Generation, Fault> {
        let control = self.one(operation, "control", doc! { "_id": CONTROL_ID }).await?;
        let emptied = || {
            let fault = Fault::new(FaultClass::Blocked(Cause::ControlTables), operation, self.place());
            fault.with_detail("the collections are missing or were emptied")
        };
        control.and_then(|control| control.text("generation")).map(Generation).ok_or_else(emptied)
    }

    /// The fences say which generation they stand in, so that one look at them is enough.
    async fn tell_fences(&self, generation: &Generation) -> Result<(), Fault> {
        let (collection, change) = (self.own("fence"), doc! { "$set": { "generation": &generation.0 } });
        self.call("new generation", collection.update_many(doc! {}, change)).await?;
        Ok(())
    }

    fn random_generation(&self) -> Result<Generation, Fault> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| self.odd("new generation"))?;
        Ok(Generation(hex::encode(bytes)))
    }

    /// Inserts a document; false: its `_id` is taken.
    pub(super) async fn insert(
        &self,
        operation: &'static str,
        name: &str,
        document: Document,
    ) -> Result<bool, crate::error::Failure> {
        let collection = self.own(name);
        match self.call(operation, collection.insert_one(document)).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.fate == Fate::Duplicate => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}
