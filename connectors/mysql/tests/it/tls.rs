//! TLS as far as `ssl-mode` asks for it, unix sockets, and ways to log in.

use forgetd_connector::FaultClass;
use forgetd_testkit::TestDatabase as _;
use secrecy::SecretString;

use crate::fixture::{Database, context};
use crate::server::Product;

/// Connects, and says what was found about TLS, or why it did not work.
async fn words(url: &str, password: Option<&str>) -> Result<Option<String>, String> {
    let config = forgetd_mysql::Config { url: url.into(), password: password.map(SecretString::from) };
    match forgetd_mysql::connect(config, context("i", "forgetd")).await {
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
    for product in Product::each() {
        let server = product.server();
        let port = server.address().port();
        let ca = &server.ca;
        let other = Product::each().find(|other| *other != product).map(|other| other.server().ca.clone());
        let verified = "encrypted, certificate and name verified";
        let mut cases = vec![
            ("127.0.0.1", "ssl-mode=disabled".to_owned(), Some("not encrypted (ssl-mode=disabled)")),
            ("127.0.0.1", String::new(), Some("encrypted, certificate not verified (ssl-mode=preferred)")),
            ("127.0.0.1", "ssl-mode=required".into(), Some("encrypted, certificate not verified")),
            ("localhost", format!("ssl-mode=verify_ca&ssl-ca={ca}"), Some("encrypted, certificate verified, name not")),
            // Its name is another.
            ("127.0.0.1", format!("ssl-mode=verify_ca&ssl-ca={ca}"), Some("encrypted, certificate verified, name not")),
            ("localhost", format!("ssl-mode=verify_identity&ssl-ca={ca}"), Some(verified)),
            ("127.0.0.1", format!("ssl-mode=verify_identity&ssl-ca={ca}"), None),
            // The system's CAs, and no file.
            ("localhost", "ssl-mode=verify_identity".into(), None),
            ("localhost", "ssl-mode=verify_ca".into(), None),
            ("localhost", format!("ssl-mode=verify_identity&ssl-ca={ca}.missing"), None),
        ];
        // The wrong CA.
        if let Some(other) = other {
            cases.push(("localhost", format!("ssl-mode=verify_identity&ssl-ca={other}"), None));
            cases.push(("127.0.0.1", format!("ssl-mode=verify_ca&ssl-ca={other}"), None));
        }
        for (host, rest, expected) in cases {
            let url = format!("mysql://tests@{host}:{port}/mysql?{rest}");
            match (words(&url, None).await, expected) {
                (Ok(Some(words)), Some(expected)) => assert!(words.starts_with(expected), "{rest}: {words}"),
                (Err(_), None) => {}
                (other, _) => panic!("{rest} at {host}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_unix_socket_needs_no_tls() {
    for product in Product::each() {
        let url = format!("mariadb://tests@/mysql?socket={}", product.server().socket);
        assert_eq!(words(&url, None).await, Ok(None));
    }
}

#[tokio::test]
async fn each_way_to_log_in_works_over_each_way_to_connect() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let server = product.server();
        let name = format!("r_{}", database.name.text);
        let how = match product {
            Product::MariaDb => "identified via ed25519 using password('pass word')",
            Product::MySql => "identified with caching_sha2_password by 'pass word'",
        };
        let made = format!("drop user if exists {name}; create user {name} {how}");
        database.sql(&format!("{made}; grant all on {}.* to {name}", database.name.text)).await;
        let (port, schema) = (server.address().port(), &database.name.text);
        for (place, options) in [
            (format!("127.0.0.1:{port}"), "ssl-mode=disabled".to_owned()),
            (format!("127.0.0.1:{port}"), "ssl-mode=required".into()),
            (String::new(), format!("socket={}", server.socket)),
        ] {
            // The first time in full, the second from what the server remembers.
            database.sql(&format!("alter user {name} {how}")).await;
            for _ in 0..2 {
                let url = format!("mysql://{name}:wrong@{place}/{schema}?{options}");
                words(&url, Some("pass word")).await.unwrap_or_else(|fault| panic!("{options}: {fault}"));
            }
            let fault = words(&format!("mysql://{name}:marker@{place}/{schema}?{options}"), None).await.unwrap_err();
            assert!(fault.contains("1045") && !fault.contains("marker"), "{fault}");
        }
        database.sql(&format!("drop user {name}")).await;
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let fault = words(&format!("mysql://marker:marker@127.0.0.1:{port}/x"), None).await.unwrap_err();
    assert!(!fault.contains("marker"), "{fault}");
    for product in Product::each() {
        let fault = words(&product.server().url("no_such_database"), None).await.unwrap_err();
        assert!(fault.contains("1049"), "{fault}");
    }
}
