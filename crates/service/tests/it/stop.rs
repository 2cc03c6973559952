//! The end: nothing new, everything at hand, the last message out.

use crate::support::process;
use std::time::{Duration, Instant};
use testkit::{PATIENCE, Tap, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::messages::ReplicaRequested;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_at_hand_and_publishes_the_last_message() {
    let process = process(&[]).await;
    let mut tap = Tap::new(&process.vhost).await;
    let small = std::sync::Arc::clone(&process.running.service);
    let slow = tokio::spawn(process.request("GET", "/v1/actions/run/slow").send());
    small.arrived.notified().await;
    let (url, admin) = (process.running.address, process.running.admin_url());
    let http = process.http.clone();

    let stopping = tokio::spawn(process.running.stop());
    let ready = async || http.get(format!("{admin}/readyz")).send().await.unwrap();
    until(PATIENCE, async || ready().await.status() == 503).await;
    assert!(ready().await.text().await.unwrap().contains("\"stopping\""));
    until(PATIENCE, async || TcpStream::connect(url).await.is_err()).await;
    assert!(!stopping.is_finished(), "a request is at hand");

    small.gate.notify_one();
    let answer = slow.await.unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "done");
    stopping.await.unwrap().unwrap();
    let asked = loop {
        let message = tap.next::<ReplicaRequested>().await;
        if message.data.of == "last words" {
            break message;
        }
    };
    assert_eq!(asked.source, "/investigation-api");
    assert!(http.get(format!("{admin}/livez")).send().await.is_err(), "the admin port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let process = process(&[]).await;
    let mut idle = TcpStream::connect(process.running.address).await.unwrap();
    idle.write_all(b"GET /api/v1/ip HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    let start = Instant::now();
    process.running.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_end_is_cut_off_after_the_drain() {
    let process = process(&["--drain", "1"]).await;
    let small = std::sync::Arc::clone(&process.running.service);
    let slow = tokio::spawn(process.request("GET", "/v1/actions/run/slow").send());
    small.arrived.notified().await;
    process.running.stop().await.unwrap();
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_lingers_it_is_not_ready_and_still_serves() {
    let process = process(&["--linger", "5"]).await;
    let (url, admin) = (process.running.url(), process.running.admin_url());
    let http = process.http.clone();
    let stopping = tokio::spawn(process.running.stop());
    until(PATIENCE, async || {
        http.get(format!("{admin}/readyz")).send().await.unwrap().status() == 503
    })
    .await;
    if !stopping.is_finished() {
        let answer = http.get(format!("{url}/api/v1/ip")).send().await;
        assert!(answer.is_ok() || stopping.is_finished(), "{answer:?}");
    }
    stopping.await.unwrap().unwrap();
    assert!(http.get(format!("{url}/api/v1/ip")).send().await.is_err(), "the port is closed");
}
