//! The holder's own connection to the home database.

use std::cell::RefCell;
use std::rc::Rc;

use forgetd_connector::{Connections, Connector, Fault, FaultClass};

use crate::app;
use crate::config::Config;

/// A connection that is made anew, from the configuration's URL, after every error: passwords rotate, names move to
/// other addresses, servers fail over.
pub(super) struct Home {
    config: Rc<Config>,
    count: Connections,
    current: RefCell<Option<Rc<dyn Connector>>>,
}

// === impl Home ===

impl Home {
    /// No connection yet. `count` counts them.
    pub(super) fn new(config: Rc<Config>, count: Connections) -> Self {
        Self { config, count, current: RefCell::default() }
    }

    /// The connection, made where there is none.
    pub(super) async fn get(&self) -> Result<Rc<dyn Connector>, Fault> {
        if let Some(connector) = self.current.borrow().as_ref() {
            return Ok(Rc::clone(connector));
        }
        let name = self.config.home().map_or("", |home| home.name.as_str());
        let connector: Rc<dyn Connector> =
            match app::connect_database_counted(&self.config, name, self.count.clone()).await {
                Ok(connected) => Rc::from(connected?),
                Err(problem) => {
                    let fault = Fault::new(FaultClass::Unreachable, "connect", name);
                    return Err(fault.with_detail(problem.to_string()));
                }
            };
        // Somebody else may have connected meanwhile: the newer one stays.
        self.current.replace(Some(Rc::clone(&connector)));
        Ok(connector)
    }

    /// Lets go of a connection that met an error, or is no longer needed.
    pub(super) async fn close(&self) {
        let connector = self.current.take();
        if let Some(connector) = connector {
            connector.close().await;
        }
    }
}
