//! Which product this is, in which version, and everything that follows from it. Differences live here alone.

use forgetd_connector::LockWait;

/// A product that speaks the protocol and that we work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    MariaDb,
    MySql,
}

/// One product in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    pub(crate) product: Product,
    pub(crate) version: (u16, u16, u16),
}

/// Before a statement that shall wait for no lock.
pub(crate) const AT_ONCE: &str = "set statement innodb_lock_wait_timeout = 0 for ";

/// The oldest MariaDB whose rows can be locked with SKIP LOCKED and whose documents with JSON_TABLE.
const MARIADB_MIN: (u16, u16, u16) = (10, 6, 0);

/// The oldest MySQL with the same, with checked CHECK constraints and with rows of VALUES.
const MYSQL_MIN: (u16, u16, u16) = (8, 0, 19);

// === impl Flavour ===

impl Flavour {
    /// Reads `version()` and `@@version_comment`. Fails with the version that is needed where it is too old.
    pub(crate) fn read(version: &str, comment: &str) -> Result<Self, String> {
        let (low, about) = (version.to_lowercase(), comment.to_lowercase());
        let product =
            if low.contains("mariadb") || about.contains("mariadb") { Product::MariaDb } else { Product::MySql };
        // Old MariaDB servers, and some proxies, put 5.5.5- in front, for clients that knew nothing newer.
        let number = version.strip_prefix("5.5.5-").unwrap_or(version);
        let mut parts = number.split(['.', '-', '+']).map_while(|part| part.parse::<u16>().ok());
        let mut next = || parts.next().unwrap_or(0);
        let version = (next(), next(), next());
        let (oldest, words) = match product {
            Product::MariaDb => (MARIADB_MIN, "MariaDB 10.6"),
            Product::MySql => (MYSQL_MIN, "MySQL 8.0.19"),
        };
        if version < oldest {
            return Err(format!("{words} or later is needed"));
        }
        Ok(Self { product, version })
    }

    /// Whether it is MariaDB.
    pub(crate) fn is_mariadb(self) -> bool {
        self.product == Product::MariaDb
    }

    /// How rows are locked against changes by others, and not against their locking them the same way.
    pub(crate) fn for_share(self) -> &'static str {
        match self.product {
            Product::MariaDb => "lock in share mode",
            Product::MySql => "for share",
        }
    }

    /// How the rows of one alias are locked against everybody, without ever waiting: [`LockWait::Wait`] fails where a row is
    /// locked, so that the batch is walked again past it.
    pub(crate) fn for_update(self, alias: &str, locks: LockWait) -> String {
        let locked = match locks {
            LockWait::Wait => "nowait",
            LockWait::Skip => "skip locked",
        };
        match self.product {
            Product::MariaDb => format!("for update {locked}"),
            Product::MySql => format!("for update of {alias} {locked}"),
        }
    }

    /// What stands before a statement that changes rows which are locked already, so that it waits for nobody: an index of
    /// the table can be locked all the same. One of the products can only be told to wait a second.
    pub(crate) fn at_once(self) -> &'static str {
        if self.changes_at_once() { AT_ONCE } else { "" }
    }

    /// Whether a statement that changes rows can be told to wait for nobody.
    pub(crate) fn changes_at_once(self) -> bool {
        self.product == Product::MariaDb
    }

    /// Whether a statement that changes rows can be given a time after which the server ends it by itself. The other product
    /// has one for reads alone.
    pub(crate) fn limits_writes(self) -> bool {
        self.product == Product::MariaDb
    }

    /// Whether rows of JSON_TABLE are other rows each time they are read in a statement, so that one which was met is not
    /// known again.
    pub(crate) fn rereads_documents(self) -> bool {
        self.product == Product::MySql
    }

    /// A document in a form in which two of the same content are equal, as far as the product has one.
    pub(crate) fn same_json(self, expr: &str) -> String {
        match self.product {
            Product::MariaDb => format!("json_compact({expr})"),
            Product::MySql => format!("cast({expr} as json)"),
        }
    }

    /// An expression that makes a moment of microseconds since the epoch: `from_unixtime` ends in 2038 on some.
    pub(crate) fn moment(self, micros: &str) -> String {
        format!("(timestamp'1970-01-01 00:00:00' + interval {micros} microsecond)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Flavour, Product};

    #[test]
    fn products_and_versions_are_told_apart() {
        for (version, comment, product, number) in [
            ("10.11.19-MariaDB-0+deb12u1-log", "Debian 12", Product::MariaDb, (10, 11, 19)),
            ("5.5.5-10.6.18-MariaDB-log", "MariaDB Server", Product::MariaDb, (10, 6, 18)),
            ("11.4.2-MariaDB", "mariadb.org binary distribution", Product::MariaDb, (11, 4, 2)),
            ("8.0.36", "MySQL Community Server - GPL", Product::MySql, (8, 0, 36)),
            ("9.7.4-2", "(Debian)", Product::MySql, (9, 7, 4)),
            ("8.4.0-1", "Percona Server (GPL)", Product::MySql, (8, 4, 0)),
        ] {
            assert_eq!(Flavour::read(version, comment), Ok(Flavour { product, version: number }), "{version}");
        }
    }

    #[test]
    fn what_is_too_old_is_told_what_is_needed() {
        for (version, comment, word) in [
            ("5.7.44-log", "MySQL Community Server (GPL)", "MySQL 8.0.19"),
            ("10.5.26-MariaDB", "", "MariaDB 10.6"),
            ("", "", "MySQL 8.0.19"),
        ] {
            let reason = Flavour::read(version, comment).unwrap_err();
            assert!(reason.contains(word), "{version}: {reason}");
        }
    }
}
