//! A file of 50 MB goes out in pieces.

use crate::house::{Answer, api_key, archive, house};
use futures_util::future::select_all;
use testkit::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_50_mb_arrives_whole_and_in_pieces() {
    let house = house(&[]).await;
    let (_, key) = house.enabled_loader("khan").await;
    // as an executable: it hardly gets smaller
    let mut state = 1_u64;
    let mut large = Vec::with_capacity(50_000_000);
    while large.len() < 50_000_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        large.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    let request = house.client.post(house.url("/v1/manifests"));
    let request = request.query(&[("name", "large"), ("target", "TRUE")]);
    let request = request.bearer_auth(api_key("alice")).body(archive(&[("mig-agent", &large)]));
    let made = Answer::to(request.timeout(std::time::Duration::from_mins(5))).await.expect(201);
    let id = made.json()["id"].as_i64().unwrap();
    // the string that is signed, from what the house shows of the files
    let file = made.json()["files"][0]["sha256"].as_str().unwrap().to_owned();
    let text = signing::manifest::signed_string([("mig-agent", &*file)]);
    let line = testkit::keys::of("alice").sign_line(text.as_bytes(), house.clock.now()).unwrap();
    let form = [("manifestid", &*id.to_string()), ("signature", &*line)];
    house.form("/api/v1/manifest/sign/", &form).await.expect(200);
    assert!(house.count("manifest_chunk where position = 1").await > 900);
    assert_eq!(house.count("manifest_chunk where octet_length(data) > 49152").await, 0);
    let loader = house.host(&key, &["alice"], 1);
    assert_eq!(loader.run().await.unwrap(), ["mig-agent"]);
    assert!(loader.content("mig-agent").unwrap() == large, "the file is another");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_at_a_time_than_there_is_room_for() {
    let house = house(&[]).await;
    let host = house.url("").replace("http://", "");
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(host.trim_end_matches('/')).await.unwrap();
        let head = format!(
            "POST /v1/manifests?name=m&target=TRUE HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Length: {}\r\n\r\n",
            api_key("alice"),
            96 << 20
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        waiting.push(Box::pin(async move {
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            (start, stream)
        }));
    }
    // two have room and wait for their bodies, of which nothing comes
    let ((start, _stream), _, others) =
        tokio::time::timeout(PATIENCE, select_all(waiting)).await.unwrap();
    assert_eq!(std::str::from_utf8(&start).unwrap(), "HTTP/1.1 503");
    drop(others);
    let content = archive(&[("configuration", b"hi")]);
    let request = house.client.post(house.url("/v1/manifests"));
    let request = request.query(&[("name", "m"), ("target", "TRUE")]).body(content);
    Answer::to(request.bearer_auth(api_key("alice"))).await.expect(201);
}
