//! What the operator says about a MongoDB server: the URL that its own tools take.

use std::time::Duration;

use forgetd_connector::{ConnectContext, Fault, FaultClass};
use mongodb::error::ErrorKind;
use mongodb::options::{
    Acknowledgment, AuthMechanism, ClientOptions, Credential, ReadPreference, SelectionCriteria, Tls, WriteConcern,
};
use secrecy::{ExposeSecret, SecretString};

/// How to reach one database.
#[derive(Clone, Debug)]
pub struct Config {
    /// `mongodb://user@host:port/database?options`, or `mongodb+srv://`. TLS: `tls=true`, `tlsCAFile` with the only
    /// certificates to trust instead of the system's, `tlsCertificateKeyFile` with our own and `authMechanism=MONGODB-X509`.
    /// Whatever it says of read preference and write concern, decisions are read from the primary, and writes are
    /// acknowledged when a majority has them in its journal.
    pub url: SecretString,
    /// The password, if the URL does not hold it. It goes before the URL's.
    pub password: Option<SecretString>,
}

/// A parsed [`Config`].
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) options: ClientOptions,
    /// The database whose collections are meant where a name has no schema.
    pub(crate) schema: String,
    /// Whether and how the connection is encrypted, in words.
    pub(crate) tls: String,
}

/// One for what works, one for the lease and the control collections beside it.
const SESSIONS_MAX: u32 = 2;

// === impl Target ===

impl Target {
    /// Parses the text, and asks the name service where the URL says so. What is wrong is said without showing any of it.
    pub(crate) async fn parse(config: &Config, context: &ConnectContext) -> Result<Self, Fault> {
        let wrong = |detail: &str| {
            Fault::new(FaultClass::Unreachable, "read url", context.database.clone()).with_detail(detail)
        };
        let text = config.url.expose_secret().trim();
        if !text.starts_with("mongodb://") && !text.starts_with("mongodb+srv://") {
            return Err(wrong("the url is malformed: write mongodb://user@host:port/database"));
        }
        let by_name = text.starts_with("mongodb+srv://");
        let mut options = ClientOptions::parse(text).await.map_err(|error| wrong(why(&error.kind, by_name)))?;
        let schema = options.default_database.clone().filter(|name| !name.is_empty());
        let schema =
            schema.ok_or_else(|| wrong("the url names no database: write mongodb://user@host:port/database"))?;
        if options.tls.as_ref().is_some_and(|tls| matches!(tls, Tls::Enabled(tls) if !reads(tls))) {
            return Err(wrong("a file that tlsCAFile or tlsCertificateKeyFile names cannot be read"));
        }
        if let Some(lacking) = options.credential.as_ref().and_then(|credential| lacking(credential, &options)) {
            return Err(wrong(lacking));
        }
        if let Some(password) = &config.password {
            let credential = options.credential.as_mut().ok_or_else(|| wrong("the url names no user"))?;
            credential.password = Some(password.expose_secret().to_owned());
        }
        let patience = Duration::from_millis(context.call_timeout_ms);
        options.app_name = Some(context.application.clone());
        // Who wants to hear sooner that nobody answers may say so.
        let sooner = |asked: Option<Duration>| Some(asked.map_or(patience, |asked| asked.min(patience)));
        options.connect_timeout = sooner(options.connect_timeout);
        options.server_selection_timeout = sooner(options.server_selection_timeout);
        options.max_pool_size = Some(SESSIONS_MAX);
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.read_concern = None;
        options.write_concern =
            Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(patience).build());
        let tls = words(options.tls.as_ref());
        Ok(Self { options, schema, tls })
    }
}

/// Whether the files that are named are there.
fn reads(tls: &mongodb::options::TlsOptions) -> bool {
    [&tls.ca_file_path, &tls.cert_key_file_path].into_iter().flatten().all(|path| std::fs::File::open(path).is_ok())
}

/// What a certificate needs to be a login.
fn lacking(credential: &Credential, options: &ClientOptions) -> Option<&'static str> {
    if credential.mechanism != Some(AuthMechanism::MongoDbX509) {
        return None;
    }
    match &options.tls {
        Some(Tls::Enabled(tls)) if tls.cert_key_file_path.is_some() => None,
        Some(Tls::Enabled(_)) => Some("MONGODB-X509 needs tlsCertificateKeyFile, with our certificate and its key"),
        _ => Some("MONGODB-X509 needs tls=true and tlsCertificateKeyFile"),
    }
}

fn why(kind: &ErrorKind, by_name: bool) -> &'static str {
    match kind {
        ErrorKind::DnsResolve { .. } => "the name in the mongodb+srv url could not be resolved",
        _ if by_name => {
            "the url is malformed, or has an option that is not known or does not go with another; mongodb+srv takes one \
             name, without a port"
        }
        _ => "the url is malformed, or has an option that is not known or does not go with another",
    }
}

fn words(tls: Option<&Tls>) -> String {
    let Some(Tls::Enabled(tls)) = tls else { return "not encrypted (tls=false)".into() };
    if tls.allow_invalid_certificates == Some(true) {
        return "encrypted, certificate not verified (tlsAllowInvalidCertificates)".into();
    }
    "encrypted, certificate and name verified".into()
}

#[cfg(test)]
mod tests {
    use forgetd_connector::ConnectContext;
    use mongodb::options::{Acknowledgment, AuthMechanism, ReadPreference, SelectionCriteria};

    use super::{Config, Target};

    async fn target(url: &str, password: Option<&str>) -> Result<Target, String> {
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
        let config = Config { url: url.into(), password: password.map(Into::into) };
        Target::parse(&config, &context).await.map_err(|fault| fault.to_string())
    }

    #[tokio::test]
    async fn urls_give_places_modes_and_files() {
        for (url, schema, tls) in [
            ("mongodb://u:p@h/d", "d", "not encrypted"),
            ("mongodb://u:p@h:1,i:2/my%2Dd?replicaSet=r&authSource=admin", "my-d", "not encrypted"),
            ("mongodb://h/d?tls=true", "d", "certificate and name verified"),
            ("mongodb://h/d?tls=true&tlsCAFile=/dev/null", "d", "certificate and name verified"),
            ("mongodb://h/d?tls=true&tlsInsecure=true", "d", "certificate not verified"),
        ] {
            let target = target(url, None).await.unwrap();
            assert_eq!(target.schema, schema, "{url}");
            assert!(target.tls.contains(tls), "{url}: {}", target.tls);
        }
        let x509 = "mongodb://h/d?authMechanism=MONGODB-X509&tls=true&tlsCertificateKeyFile=/dev/null";
        let credential = target(x509, None).await.unwrap().options.credential.unwrap();
        assert_eq!(credential.mechanism, Some(AuthMechanism::MongoDbX509));
        let credential = target("mongodb://u@h/d", Some("given")).await.unwrap().options.credential.unwrap();
        assert_eq!(credential.password.as_deref(), Some("given"));
    }

    #[tokio::test]
    async fn decisions_are_the_primarys_and_writes_a_majoritys() {
        let options = target("mongodb://h/d?readPreference=secondary&w=1&journal=false", None).await.unwrap().options;
        let concern = options.write_concern.unwrap();
        assert_eq!((concern.w, concern.journal), (Some(Acknowledgment::Majority), Some(true)));
        let Some(SelectionCriteria::ReadPreference(preference)) = options.selection_criteria else { panic!("none") };
        assert_eq!(preference, ReadPreference::Primary);
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_the_text() {
        for url in [
            "mysql://u:marker@h/d",
            "mongodb://u:marker@h",
            "mongodb://u:marker@h/",
            "mongodb://u:marker@h/d?marker=1",
            "mongodb://u:marker@h/d?tls=marker",
            "mongodb://u:marker@h/d?tls=true&tlsCAFile=/marker",
            "mongodb://u:marker@h:marker/d",
            "mongodb://u:marker@@h/d",
            "mongodb://u:marker@h/d?compressors=zstd",
        ] {
            let message = target(url, None).await.map(|_| ()).expect_err(url);
            assert!(!message.contains("marker"), "{message}");
            assert!(message.starts_with("crm: read url failed"), "{message}");
        }
        assert!(target("mongodb://h/d", Some("marker")).await.is_err(), "a password without a user");
    }

    /// What a server that shows neither cannot tell.
    #[tokio::test]
    async fn certificates_as_logins_and_names_of_whole_clusters_are_checked_before_anything_is_sent() {
        let x509 = "mongodb://h/d?authMechanism=MONGODB-X509";
        for (url, words) in [
            (x509.to_owned(), "needs tls=true and tlsCertificateKeyFile"),
            (format!("{x509}&tls=true"), "needs tlsCertificateKeyFile, with our certificate"),
            (format!("{x509}&tls=true&tlsCertificateKeyFile=/nothing"), "cannot be read"),
            ("mongodb+srv://u:marker@a.example.com:27017/d".into(), "without a port"),
            ("mongodb+srv://u:marker@a.example.com,b.example.com/d".into(), "takes one name"),
        ] {
            let message = target(&url, None).await.map(|_| ()).expect_err(&url);
            assert!(message.contains(words) && !message.contains("marker"), "{url}: {message}");
        }
    }
}
