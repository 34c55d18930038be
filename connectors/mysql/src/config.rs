//! What the operator says about a MySQL or MariaDB server: a URL with `ssl-mode`, `ssl-ca` and `socket`.

use std::path::PathBuf;
use std::time::Duration;

use forgetd_connector::{ConnectContext, Fault, FaultClass};
use mysql_async::{Opts, OptsBuilder, SslOpts};
use secrecy::{ExposeSecret, SecretString};

/// How to reach one database.
#[derive(Clone, Debug)]
pub struct Config {
    /// `mysql://user@host:port/database?ssl-mode=..&ssl-ca=..&socket=..`, or the same with `mariadb://`. `socket` names a
    /// unix socket to use instead of host and port. `ssl-mode` is one of disabled, preferred, required, verify_ca,
    /// verify_identity; `ssl-ca` names a PEM file with the only certificates to trust instead of the system's, and goes with
    /// the last two. Without `ssl-mode` it is verify_ca where `ssl-ca` is there, else preferred.
    pub url: SecretString,
    /// The password, if the URL does not hold it. It goes before the URL's.
    pub password: Option<SecretString>,
}

/// How far the server's certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// No TLS.
    Disabled,
    /// TLS if the server offers it, unverified.
    Preferred,
    /// TLS, unverified.
    Required,
    /// TLS, and the certificate's chain is verified.
    VerifyCa,
    /// TLS, and chain and name are verified.
    VerifyIdentity,
}

/// A parsed [`Config`].
#[derive(Clone)]
pub(crate) struct Target {
    host: String,
    port: u16,
    user: String,
    password: Option<SecretString>,
    /// The database whose tables are meant where a name has no schema.
    pub(crate) schema: String,
    pub(crate) tls: TlsMode,
    pub(crate) root_file: Option<PathBuf>,
    socket: Option<String>,
}

// === impl Target ===

impl Target {
    /// Parses the text. What is wrong is said without showing any of it.
    pub(crate) fn parse(config: &Config, context: &ConnectContext) -> Result<Self, Fault> {
        let wrong = |detail: &str| {
            Fault::new(FaultClass::Unreachable, "read url", context.database.clone()).with_detail(detail)
        };
        let text = config.url.expose_secret().trim();
        let malformed = "the url is malformed: write mysql://user@host:port/database";
        let rest = text.strip_prefix("mysql://").or_else(|| text.strip_prefix("mariadb://"));
        let rest = rest.ok_or_else(|| wrong(malformed))?;
        let (base, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, schema) = base.split_once('/').unwrap_or((base, ""));
        let (account, place) = authority.rsplit_once('@').ok_or_else(|| wrong("the url names no user"))?;
        let (user, secret) = match account.split_once(':') {
            Some((user, secret)) => (user, Some(secret)),
            None => (account, None),
        };
        let read = |part: &str| decode(part).ok_or_else(|| wrong(malformed));
        let (host, port) = host_and_port(place).ok_or_else(|| wrong(malformed))?;
        let mut target = Self {
            host: read(host)?,
            port,
            user: read(user)?,
            password: secret.map(read).transpose()?.map(SecretString::from),
            schema: read(schema)?,
            tls: TlsMode::Preferred,
            root_file: None,
            socket: None,
        };
        target.take_options(options).map_err(wrong)?;
        if let Some(password) = &config.password {
            target.password = Some(password.clone());
        }
        if target.user.is_empty() {
            return Err(wrong("the url names no user"));
        }
        if target.schema.is_empty() {
            return Err(wrong("the url names no database: write mysql://user@host:port/database"));
        }
        if target.host.is_empty() && target.socket.is_none() {
            return Err(wrong("the url names no host; for a unix socket write ?socket=/path"));
        }
        Ok(target)
    }

    fn take_options(&mut self, options: &str) -> Result<(), &'static str> {
        let mut asked = None;
        for pair in options.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or("an option of the url has no value")?;
            let value = decode(value).ok_or("an option of the url is malformed")?;
            match key.replace('_', "-").as_str() {
                "ssl-mode" => {
                    asked = Some(match value.to_ascii_lowercase().replace('-', "_").as_str() {
                        "disabled" => TlsMode::Disabled,
                        "preferred" => TlsMode::Preferred,
                        "required" => TlsMode::Required,
                        "verify_ca" => TlsMode::VerifyCa,
                        "verify_identity" => TlsMode::VerifyIdentity,
                        _ => {
                            return Err("ssl-mode must be disabled, preferred, required, verify_ca or verify_identity");
                        }
                    });
                }
                "ssl-ca" => self.root_file = Some(PathBuf::from(value)),
                "socket" => self.socket = Some(value),
                _ => return Err("the url has an option that is not known: ssl-mode, ssl-ca and socket are"),
            }
        }
        let verifies = |mode| matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
        self.tls = match (asked, &self.root_file) {
            (Some(mode), Some(_)) if !verifies(mode) => {
                return Err(
                    "ssl-ca goes with ssl-mode verify_ca or verify_identity: the others look at no certificate",
                );
            }
            (Some(mode), _) => mode,
            (None, Some(_)) => TlsMode::VerifyCa,
            (None, None) => TlsMode::Preferred,
        };
        Ok(())
    }

    /// Whether it is a unix socket.
    pub(crate) fn is_local(&self) -> bool {
        self.socket.is_some()
    }

    /// The driver's options; `tls` says how, if at all.
    pub(crate) fn driver(&self, application: &str, tls: Option<SslOpts>) -> Opts {
        let password = self.password.as_ref().map(|password| password.expose_secret().to_owned());
        OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(self.user.clone()))
            .pass(password)
            .db_name(Some(self.schema.clone()))
            .socket(self.socket.clone())
            // A socket that was not asked for would be another way than the one whose TLS is reported.
            .prefer_socket(false)
            .ssl_opts(tls)
            .stmt_cache_size(0)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            // An update that finds a row as it shall be has found it.
            .client_found_rows(true)
            .connect_attribute("program_name", application)
            .into()
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(place: &str) -> Option<(&str, u16)> {
    const PORT: u16 = 3306;
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { PORT } else { rest.strip_prefix(':')?.parse().ok()? };
        return Some((host, port));
    }
    match place.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((place, PORT)),
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
    use forgetd_connector::ConnectContext;

    use super::{Config, Target, TlsMode};

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
    fn urls_give_places_modes_and_files() {
        for (url, place, tls, file) in [
            ("mysql://u@h/d", ("h", 3306, "u", "d"), TlsMode::Preferred, None),
            (
                "mariadb://u%40x:p%3F@db.example:23306/my%20db?ssl-mode=verify_identity&ssl-ca=/a%20b/ca.pem",
                ("db.example", 23306, "u@x", "my db"),
                TlsMode::VerifyIdentity,
                Some("/a b/ca.pem"),
            ),
            ("mysql://u@[::1]:3307/d?ssl_mode=VERIFY-CA", ("::1", 3307, "u", "d"), TlsMode::VerifyCa, None),
            ("mysql://u@h/d?ssl-ca=/ca.pem", ("h", 3306, "u", "d"), TlsMode::VerifyCa, Some("/ca.pem")),
            ("mysql://u@/d?socket=/run/s.sock", ("", 3306, "u", "d"), TlsMode::Preferred, None),
        ] {
            let target = target(url).unwrap();
            assert_eq!((target.host.as_str(), target.port, target.user.as_str(), target.schema.as_str()), place);
            assert_eq!(target.tls, tls, "{url}");
            assert_eq!(target.root_file.as_deref().and_then(|path| path.to_str()), file, "{url}");
            assert_eq!(target.is_local(), url.contains("socket"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        for url in [
            "mysql://u:marker@h/d?ssl-mode=marker",
            "mysql://u@h/d?ssl-ca=/marker&ssl-mode=required",
            "mysql://u@h/d?ssl-mode=preferred&ssl-ca=/marker",
            "mysql://u@h/d?ssl-mode=disabled&ssl-ca=/marker",
            "mysql://u:marker@h/d?marker=1",
            "mysql://u:marker@h/d?marker",
            "mysql://u:marker@h:marker/d",
            "mysql://u:marker@h/",
            "mysql://u:marker@h",
            "mysql://u:marker@/d",
            "mysql://marker/d",
            "postgres://u:marker@h/d",
            "mysql://u:marker%zz@h/d",
        ] {
            let message = target(url).map(|_| ()).unwrap_err();
            assert!(!message.contains("marker"), "{message}");
        }
    }
}
