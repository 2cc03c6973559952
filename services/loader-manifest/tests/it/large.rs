//! A file of 50 MB goes out in pieces.

use crate::house::{Answer, api_key, archive, house};

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
    let made = Answer::of(request.timeout(std::time::Duration::from_mins(5))).await.expect(201);
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
