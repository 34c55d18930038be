//! A quick look between two whole ones: is the log still where this process left it?

use forgetd_connector::HeadPlace;

use super::Relay;
use super::assess::{anchor, store};
use super::memory::Databases;

impl Relay {
    /// Whether the store has the very head that this process knows, in the place where it was written, and every copy is of
    /// it. False says nothing but that it takes a whole look to know more: a copy may lag, a database may be away.
    pub async fn is_as_left(&self, databases: &Databases<'_>) -> bool {
        let open = self.open.lock().await;
        let Some(log) = open.as_ref() else { return false };
        let Ok(store) = store(&self.config, &log.site, databases) else { return false };
        let Ok(state) = store.head().await else { return false };
        match (&log.head, state) {
            (None, None) => return true,
            (Some(head), Some(state)) if state.place == HeadPlace::Same && state.head == *head => {}
            _ => return false,
        }
        for (_, control) in databases.iter().filter(|(name, _)| *name != anchor(&self.config)) {
            match control.remembered(&log.site.origin).await {
                Ok(copy) if copy == log.head => {}
                _ => return false,
            }
        }
        true
    }
}
