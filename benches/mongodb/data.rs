//! The documents: of about 270 bytes, with two more indexes.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Collection, IndexModel};

use crate::Scene;

pub(crate) const DATABASE: &str = "people";
pub(crate) const COLLECTION: &str = "event";

/// Days that a document is kept.
pub(crate) const DAYS: i64 = 30;

const DAY_MS: f64 = 86_400_000.0;

/// Documents of one command.
const INSERTED_AT_ONCE: u64 = 5_000;

/// How the due documents lie in the order of `_id`.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    Clustered,
    Scattered,
}

// === impl Layout ===

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clustered => "clustered",
            Self::Scattered => "scattered",
        }
    }

    /// The place of a document in the order of dates.
    fn place(self, n: u64, rows: u64) -> u64 {
        match self {
            Self::Clustered => n,
            // A prime that divides no round number visits every place once.
            Self::Scattered => n.wrapping_mul(7_368_787) % rows,
        }
    }
}

/// Everything from before this moment is due.
pub(crate) fn cutoff() -> DateTime {
    DateTime::from_millis(DateTime::now().timestamp_millis() - DAYS * 86_400_000)
}

/// Fills an empty collection.
pub(crate) async fn fill(collection: &Collection<Document>, scene: &Scene) {
    let now = DateTime::now().timestamp_millis();
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "milliseconds")]
    let at = |n: u64| {
        let days = DAYS as f64 / (1.0 - scene.due);
        let share = scene.layout.place(n, scene.rows) as f64 / scene.rows as f64;
        DateTime::from_millis(now - (days * (1.0 - share) * DAY_MS) as i64)
    };
    for first in (0..scene.rows).step_by(INSERTED_AT_ONCE as usize) {
        let some = first..(first + INSERTED_AT_ONCE).min(scene.rows);
        collection.insert_many(some.map(|n| document(n, at(n)))).await.unwrap();
    }
    for field in ["at", "account"] {
        collection.create_index(IndexModel::builder().keys(doc! { field: 1 }).build()).await.unwrap();
    }
}

fn document(n: u64, at: DateTime) -> Document {
    let noise = |salt: u64| (n + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 12];
    id[4..].copy_from_slice(&n.to_be_bytes());
    id[..4].copy_from_slice(&0x6500_0000_u32.to_be_bytes());
    #[allow(clippy::cast_possible_wrap, reason = "16 bits")]
    let account = (noise(1) >> 48) as i64;
    doc! {
        "_id": ObjectId::from_bytes(id), "at": at, "account": account,
        "profile": {
            "email": format!("{:012x}{n}@example.com", noise(2) >> 16),
            "name": format!("Name {:010x}", noise(3) >> 24),
            "phone": format!("+1555{:07}", n % 10_000_000),
        },
        "payload": format!("{:016x}{:016x}{:016x}{:016x}", noise(4), noise(5), noise(6), noise(7)),
    }
}
