//! The way between one program and its server, which a test can cut.

use std::net::SocketAddr;
use std::ops::Deref;

use forgetd_testkit::proxy::Proxy;

use super::Aside;

/// A proxy that lives as long as this.
pub(crate) struct Wire {
    proxy: Proxy,
    _aside: Aside,
}

// === impl Wire ===

impl Wire {
    /// To this server.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let (proxy, aside) = Aside::start(move || Proxy::start(server));
        Self { proxy: proxy.expect("a listener"), _aside: aside }
    }

    /// Where the program connects to.
    pub(crate) fn port(&self) -> u16 {
        self.proxy.address().port()
    }
}

impl Deref for Wire {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}
