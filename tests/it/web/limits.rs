//! What clients cannot do to it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, advance, timeout};

use super::boards;
use super::client::beside;

/// More than are open at once.
const CLIENTS: usize = 80;

#[tokio::test]
async fn clients_that_say_nothing_more_keep_nobody_out() {
    beside(boards::one(), async |server| {
        let mut slow = vec![];
        for _ in 0..CLIENTS {
            let mut stream = server.connect().await;
            stream.write_all(b"GET /status HTTP/1.1\r\nhost: it\r\nx-half: ").await.unwrap();
            slow.push(stream);
        }
        assert_eq!(server.get("/livez").await.status, 200);
        // The oldest gave way.
        let mut rest = vec![];
        let ended = timeout(Duration::from_secs(5), slow[0].read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the oldest connection is still open");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_waited_for_ten_seconds() {
    beside(boards::one(), async |server| {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost").await.unwrap();
        let began = Instant::now();
        let mut rest = vec![];
        // However it ends: with an answer that says why, or without.
        let _ended = timeout(Duration::from_secs(300), stream.read_to_end(&mut rest)).await.unwrap();
        let waited = began.elapsed().as_secs();
        assert!((9..=11).contains(&waited), "{waited} s by the test's own clock");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_is_given_up() {
    beside(boards::many(), async |server| {
        let mut stream = server.connect().await;
        // More answers than the sockets' buffers take.
        let request = "GET /status HTTP/1.1\r\nhost: it\r\n\r\n".repeat(60);
        stream.write_all(request.as_bytes()).await.unwrap();
        for _ in 0..70 {
            advance(Duration::from_secs(1)).await;
        }
        let mut bytes = vec![];
        let _broken = stream.read_to_end(&mut bytes).await;
        assert!(bytes.windows(7).filter(|window| window == b"</html>").count() < 60);
        assert_eq!(server.get("/livez").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn heads_beyond_all_measure_are_refused() {
    beside(boards::one(), async |server| {
        let many = "x-a: b\r\n".repeat(200);
        let long = format!("x-long: {}\r\n", "a".repeat(20_000));
        for headers in [many, long] {
            assert_eq!(server.ask("GET", "/livez", &headers).await.status, 431);
        }
        assert_eq!(server.get("/livez").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn one_connection_takes_several_requests_and_ends_with_the_server() {
    beside(boards::one(), async |server| {
        let mut stream = server.connect().await;
        for _ in 0..2 {
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: it\r\n\r\n").await.unwrap();
            let mut bytes = vec![];
            while !bytes.ends_with(b"ok\n") {
                assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the connection was closed");
            }
        }
        server.stop.send_replace(true);
        let mut rest = vec![];
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        assert!(tokio::net::TcpStream::connect(server.at).await.is_err());
    })
    .await;
}
