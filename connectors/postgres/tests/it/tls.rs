//! TLS as far as `sslmode` asks for it, and unix sockets.

use forgetd_connector::FaultClass;
use secrecy::SecretString;

use crate::fixture::{connect, context};
use crate::server::Server;

/// Connects, and says what was found about TLS, or why it did not work.
async fn words(url: &str) -> Result<Option<String>, String> {
    match connect(url, "i").await {
        Ok(connector) => {
            assert_eq!(connector.facts().pooler, None);
            Ok(connector.facts().tls.clone())
        }
        Err(fault) => {
            assert_eq!(fault.class, FaultClass::Unreachable, "{fault}");
            Err(fault.to_string())
        }
    }
}

#[tokio::test]
async fn the_certificate_is_verified_as_far_as_asked() {
    let server = Server::own_with_tls();
    let folder = server.folder.as_deref().unwrap();
    let port = server.address().port();
    let url = |host: &str, rest: &str| format!("postgres://postgres@{host}:{port}/postgres?{rest}");
    for (host, rest, expected) in [
        ("127.0.0.1", "sslmode=disable".into(), Some("not encrypted")),
        ("127.0.0.1", "sslmode=prefer".into(), Some("encrypted, certificate not verified")),
        ("127.0.0.1", "sslmode=require".into(), Some("encrypted, certificate not verified")),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={folder}/ca.pem"),
            Some("encrypted, certificate verified, name not"),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={folder}/ca.pem"),
            Some("encrypted, certificate and name verified"),
        ),
        // The wrong name, the wrong CA, the system's CAs, no file.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={folder}/ca.pem"), None),
        ("localhost", format!("sslmode=verify-full&sslrootcert={folder}/other.pem"), None),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={folder}/other.pem"), None),
        ("localhost", "sslmode=verify-full".into(), None),
        ("localhost", format!("sslmode=verify-full&sslrootcert={folder}/missing.pem"), None),
    ] {
        match (words(&url(host, &rest)).await, expected) {
            (Ok(Some(words)), Some(expected)) => assert!(words.starts_with(expected), "{rest}: {words}"),
            (Err(_), None) => {}
            (other, _) => panic!("{rest} at {host}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_unix_socket_needs_no_tls() {
    let server = Server::own_with_tls();
    let folder = server.folder.as_deref().unwrap();
    let port = server.address().port();
    let url = format!("host={folder} port={port} user=postgres dbname=postgres");
    assert_eq!(words(&url).await, Ok(None));
    let config = forgetd_postgres::Config { url: url.into(), password: Some(SecretString::from("unused")) };
    let connector = forgetd_postgres::connect(config, context("i")).await.unwrap();
    assert_eq!(connector.facts().product, "PostgreSQL");
    assert!(connector.facts().version.split('.').next().unwrap().parse::<u32>().unwrap() >= 14);
    assert_eq!(connector.facts().durability, forgetd_connector::Durability::Weak, "the tests' server has fsync off");
    assert!(connector.facts().identity.contains('/'));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let port = crate::server::free_port();
    let fault = words(&format!("postgres://marker:marker@127.0.0.1:{port}/x")).await.unwrap_err();
    assert!(!fault.contains("marker"), "{fault}");
    let server = Server::own_with_tls();
    let fault = words(&server.url("no_such_database")).await.unwrap_err();
    assert!(fault.contains("3D000"), "{fault}");
}
