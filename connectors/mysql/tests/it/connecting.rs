//! What is found out when a connection is made.

use forgetd_connector::{Atomicity, Cause, FaultClass, FenceKind, RowLock};
use forgetd_testkit::TestDatabase as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{Database, context};
use crate::server::Product;

#[tokio::test]
async fn the_server_is_known_by_name_and_its_clock_is_read() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let connector = database.connect("i").await;
        let facts = connector.facts();
        assert_eq!(facts.product, if product == Product::MariaDb { "MariaDB" } else { "MySQL" });
        assert_eq!((facts.read_only, facts.pooler.as_deref()), (false, None));
        assert!(!facts.identity.is_empty());
        let capabilities = connector.capabilities();
        assert_eq!((capabilities.atomicity, capabilities.row_lock), (Atomicity::Atomic, RowLock::SkipLocked));
        assert_eq!((capabilities.fence, capabilities.effect_counters), (FenceKind::Lock, false));
        let clock = database.number("select unix_timestamp()").await;
        let now = connector.now().await.unwrap();
        assert!((now.as_second() - clock).abs() <= 5, "{product:?}");
        connector.close().await;
        connector.now().await.expect_err("a closed connector works on");
    }
}

/// A proxy that speaks for several servers says so when it is asked for its version, and is asked nothing else.
#[tokio::test]
async fn a_proxy_in_front_of_several_servers_is_refused() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("mysql://marker@{}/d?ssl-mode=disabled", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        sharding(client).await
    });
    let config = forgetd_mysql::Config { url: url.into(), password: None };
    let fault = forgetd_mysql::connect(config, context("i", "forgetd")).await.map(drop).unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::Unsupported), "{fault}");
    assert!(fault.to_string().contains("ShardingSphere"), "{fault}");
    let asked = asked.await.unwrap();
    assert!(asked.iter().any(|text| text.contains("version()")), "{asked:?}");
    assert!(!asked.iter().any(|text| text.contains("set names") || text.contains("show ")), "{asked:?}");
}

/// Speaks as ShardingSphere-Proxy does, until the client goes; what it was asked.
async fn sharding(mut client: TcpStream) -> Vec<String> {
    const VERSION: &str = "5.7.22-ShardingSphere-Proxy 5.5.0";
    let mut greeting = vec![10];
    greeting.extend(VERSION.bytes().chain([0, 1, 0, 0, 0]));
    greeting.extend(b"12345678\0");
    // Protocol 4.1, databases, transactions, several statements, ways to log in by name.
    greeting.extend([0x09, 0xa2, 45, 2, 0, 0x0b, 0x00, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"123456789012\0mysql_native_password\0");
    send(&mut client, 0, &greeting).await;
    receive(&mut client).await;
    send(&mut client, 2, &[0, 0, 0, 2, 0, 0, 0]).await;
    let mut asked = vec![];
    while let Some(text) = receive(&mut client).await.and_then(|packet| Some(packet.strip_prefix(&[3])?.to_vec())) {
        let text = String::from_utf8(text).unwrap();
        let words = text.split([',', ' ']).filter(|word| word.starts_with("@@") || word.starts_with("version()"));
        let values: Vec<&str> = words
            .map(|word| match word {
                "version()" => VERSION,
                "@@version_comment" => "",
                _ => "1000000",
            })
            .collect();
        answer(&mut client, &values).await;
        asked.push(text);
    }
    asked
}

/// One row of texts.
async fn answer(client: &mut TcpStream, values: &[&str]) {
    let width = u8::try_from(values.len()).unwrap();
    send(client, 1, &[width]).await;
    let end = [0xfe, 0, 0, 2, 0];
    for n in 0..width {
        let mut column = vec![3, b'd', b'e', b'f', 0, 0, 0, 1, b'c', 0, 12, 45, 0, 0, 1, 0, 0, 0xfd];
        column.extend([0; 5]);
        send(client, 2 + n, &column).await;
    }
    send(client, 2 + width, &end).await;
    let row = values.iter().flat_map(|value| [u8::try_from(value.len()).unwrap()].into_iter().chain(value.bytes()));
    send(client, 3 + width, &row.collect::<Vec<u8>>()).await;
    send(client, 4 + width, &end).await;
}

async fn send(client: &mut TcpStream, sequence: u8, payload: &[u8]) {
    let [low, high, ..] = payload.len().to_le_bytes();
    client.write_all(&[&[low, high, 0, sequence], payload].concat()).await.unwrap();
}

/// The next packet; absent: the client is gone.
async fn receive(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    client.read_exact(&mut header).await.ok()?;
    let mut payload = vec![0; usize::from(u16::from_le_bytes([header[0], header[1]]))];
    client.read_exact(&mut payload).await.ok()?;
    Some(payload)
}
