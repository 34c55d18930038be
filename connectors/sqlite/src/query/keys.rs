//! Statements on a list of keys, for the sealed lane.

use forgetd_connector::Key;

use super::{Query, Scope};

// === impl Scope ===

impl Scope {
    /// Deletes those of `keys` that are due. `keys` is never empty.
    pub(crate) fn delete_keys(&self, keys: &[Key]) -> Query {
        let mut query = self.begin();
        let list = self.key_list(keys, &mut query);
        query.sql = format!("delete from {}\nwhere {list}\n  and {}", self.table, self.predicate.sql);
        query
    }

    /// Counts those of `keys` that are due.
    pub(crate) fn count_keys(&self, keys: &[Key]) -> Query {
        let mut query = self.begin();
        let list = self.key_list(keys, &mut query);
        query.sql = format!("select count(*)\nfrom {}\nwhere {list}\n  and {}", self.table, self.predicate.sql);
        query
    }

    pub(super) fn key_list(&self, keys: &[Key], query: &mut Query) -> String {
        let tuples: Vec<String> = keys
            .iter()
            .map(|key| {
                let values: Vec<String> = key.0.iter().map(|value| query.bind_value(value)).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        match self.key.as_slice() {
            [one] => format!("{one} in ({})", tuples.join(", ")),
            many => format!("({}) in (values {})", many.join(", "), tuples.join(", ")),
        }
    }
}
