//! What the operator says about a PostgreSQL server: a URL or key=value text, with `sslmode` and `sslrootcert`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use forgetd_connector::{ConnectContext, Fault, FaultClass};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::{Host, SslMode};

/// How to reach one database.
#[derive(Clone, Debug)]
pub struct Config {
    /// `postgres://user@host:port/name?sslmode=..&sslrootcert=..`, or the same as `key=value` pairs. A unix socket is
    /// `host=/directory`. `sslmode` is one of disable, prefer (the default), require, verify-ca, verify-full;
    /// `sslrootcert` names a PEM file with the only certificates to trust instead of the system's.
    pub url: SecretString,
    /// The password, if the URL does not hold it. It goes before the URL's.
    pub password: Option<SecretString>,
}

/// How far the server's certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it, unverified.
    Prefer,
    /// TLS, unverified.
    Require,
    /// TLS, and the certificate's chain is verified.
    VerifyCa,
    /// TLS, and chain and name are verified.
    VerifyFull,
}

/// A parsed [`Config`].
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) driver: tokio_postgres::Config,
    pub(crate) tls: TlsMode,
    pub(crate) root_file: Option<PathBuf>,
}

// === impl Target ===

impl Target {
    /// Parses the text. What is wrong is said without showing any of it.
    pub(crate) fn parse(config: &Config, context: &ConnectContext) -> Result<Self, Fault> {
        let wrong = |detail: &str| {
            Fault::new(FaultClass::Unreachable, "read url", context.database.clone()).with_detail(detail)
        };
        let (rest, own) = split_own(config.url.expose_secret()).ok_or_else(|| wrong("the url is malformed"))?;
        let mut driver = tokio_postgres::Config::from_str(&rest)
            .map_err(|_| wrong("the url is malformed, or has an option that is not known"))?;
        let tls = match own.mode.as_deref() {
            Some("disable") => TlsMode::Disable,
            None | Some("prefer" | "allow") => TlsMode::Prefer,
            Some("require") => TlsMode::Require,
            Some("verify-ca") => TlsMode::VerifyCa,
            Some("verify-full") => TlsMode::VerifyFull,
            Some(_) => return Err(wrong("sslmode must be disable, prefer, require, verify-ca or verify-full")),
        };
        driver.ssl_mode(match tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        if driver.get_hosts().is_empty() {
            return Err(wrong("the url names no host; for a unix socket write host=/directory"));
        }
        if let Some(password) = &config.password {
            driver.password(password.expose_secret());
        }
        let call = Duration::from_millis(context.call_timeout_ms);
        driver.connect_timeout(call.min(Duration::from_secs(10)));
        driver.tcp_user_timeout(call);
        driver.keepalives_idle(Duration::from_secs(30));
        Ok(Self { driver, tls, root_file: own.root_file.map(PathBuf::from) })
    }

    /// Whether every host is a unix socket.
    pub(crate) fn is_local(&self) -> bool {
        self.driver.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)))
    }
}

/// The options that the driver does not know in libpq's form.
#[derive(Default)]
struct Own {
    mode: Option<String>,
    root_file: Option<String>,
}

impl Own {
    /// Takes the option if it is one of ours.
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.mode = Some(value.into()),
            "sslrootcert" => self.root_file = Some(value.into()),
            _ => return false,
        }
        true
    }
}

/// Splits our options off, for either form.
fn split_own(text: &str) -> Option<(String, Own)> {
    let mut own = Own::default();
    let text = text.trim();
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        let rest: Vec<String> = pairs(text)?
            .into_iter()
            .filter(|(key, value)| !own.take(key, value))
            .map(|(key, value)| format!("{key}='{}'", value.replace('\\', r"\\").replace('\'', r"\'")))
            .collect();
        return Some((rest.join(" "), own));
    }
    let Some((base, query)) = text.split_once('?') else { return Some((text.into(), own)) };
    let mut kept = vec![];
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=')?;
        if !own.take(key, &decode(value)?) {
            kept.push(pair);
        }
    }
    let rest = if kept.is_empty() { base.into() } else { format!("{base}?{}", kept.join("&")) };
    Some((rest, own))
}

/// Reads `key=value key='quoted \' value'`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = vec![];
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Some(pairs);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        chars.next_if_eq(&'=')?;
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\\') => value.push(chars.next()?),
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if quoted => return None,
                None => break,
            }
        }
        pairs.push((key, value));
    }
}

/// Undoes percent encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Config, Target, TlsMode};
    use forgetd_connector::ConnectContext;

    fn target(url: &str) -> Result<Target, String> {
        let context = ConnectContext {
            database: "crm".into(),
            instance: "i".into(),
            control_name: "forgetd".into(),
            lock_wait_ms: 200,
            call_timeout_ms: 5_000,
            batch_rows_max: 1_000,
            connections_max: 3,
            application: "forgetd".into(),
            connections: forgetd_connector::Connections::default(),
            unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
        };
        Target::parse(&Config { url: url.into(), password: None }, &context).map_err(|fault| fault.to_string())
    }

    #[test]
    fn both_forms_give_modes_and_files() {
        for (url, mode, file) in [
            ("postgres://u@h/d", TlsMode::Prefer, None),
            (
                "postgresql://u:p%3F@h:5433/d?sslmode=verify-full&sslrootcert=/a%20b/ca.pem",
                TlsMode::VerifyFull,
                Some("/a b/ca.pem"),
            ),
            ("postgres://u@h/d?sslmode=verify-ca&connect_timeout=3", TlsMode::VerifyCa, None),
            ("host=/tmp user=u dbname='a b' sslmode=disable", TlsMode::Disable, None),
            (r"host=h user=u password='it\'s' sslmode = require sslrootcert='/x y'", TlsMode::Require, Some("/x y")),
        ] {
            let target = target(url).unwrap();
            assert_eq!(target.tls, mode, "{url}");
            assert_eq!(target.root_file.as_deref().and_then(|path| path.to_str()), file, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        for url in [
            "postgres://u:marker@h/d?sslmode=marker",
            "host=h marker",
            "host=h password='marker",
            "user=marker",
            "host=h marker=1",
        ] {
            let message = target(url).map(|_| ()).unwrap_err();
            assert!(!message.contains("marker"), "{message}");
        }
    }

    #[test]
    fn a_directory_is_a_socket() {
        assert!(target("host=/run/postgresql user=u").unwrap().is_local());
        assert!(target("postgres://u@%2Frun%2Fpostgresql/d").unwrap().is_local());
        assert!(!target("host=localhost user=u").unwrap().is_local());
    }
}
