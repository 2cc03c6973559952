//! Who may ask what.

use crate::house::{Answer, House, api_key, house, person};
use reqwest::Method;
use std::collections::BTreeSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::Permission;
use types::messages::InvestigatorChanged;

/// Lists every route that people ask, as the documents name it, with what is posted and the permission that it wants.
/// But for the one whose body says what it wants, all are asked with what nobody would take, as path, query and body:
/// who may not come in is told so first.
const ROUTES: &[(&str, &str, Permission)] = &[
    ("GET /api/v1/loader", USELESS, Permission::Loader),
    ("POST /api/v1/loader/status/", USELESS, Permission::LoaderStatus),
    ("POST /api/v1/loader/expect/", USELESS, Permission::LoaderExpect),
    ("POST /api/v1/loader/key/", USELESS, Permission::LoaderKey),
    ("POST /api/v1/loader/new/", USELESS, Permission::LoaderNew),
    ("GET /api/v1/manifest", USELESS, Permission::Manifest),
    ("GET /api/v1/manifest/", USELESS, Permission::Manifest),
    ("POST /api/v1/manifest/sign/", USELESS, Permission::ManifestSign),
    ("POST /api/v1/manifest/status/", USELESS, Permission::ManifestStatus),
    ("POST /api/v1/manifest/new/", USELESS, Permission::ManifestNew),
    ("GET /api/v1/manifest/loaders/", USELESS, Permission::ManifestLoaders),
    ("GET /v1/loaders", USELESS, Permission::Loader),
    ("POST /v1/loaders", USELESS, Permission::LoaderNew),
    ("GET /v1/loaders/{id}", USELESS, Permission::Loader),
    ("PATCH /v1/loaders/{id}", r#"{"enabled": true}"#, Permission::LoaderStatus),
    ("PATCH /v1/loaders/{id}", r#"{"expect_env": ""}"#, Permission::LoaderExpect),
    ("PATCH /v1/loaders/{id}", "{}", Permission::LoaderStatus),
    ("POST /v1/loaders/{id}/key", USELESS, Permission::LoaderKey),
    ("GET /v1/manifests", USELESS, Permission::Manifest),
    ("POST /v1/manifests", USELESS, Permission::ManifestNew),
    ("GET /v1/manifests/{id}", USELESS, Permission::Manifest),
    ("GET /v1/manifests/{id}/content", USELESS, Permission::Manifest),
    ("POST /v1/manifests/{id}/signatures", USELESS, Permission::ManifestSign),
    ("POST /v1/manifests/{id}/status", USELESS, Permission::ManifestStatus),
    ("GET /v1/manifests/{id}/rollout", USELESS, Permission::ManifestLoaders),
];
const USELESS: &str = "nothing of use";
/// Lists what loaders ask.
const LOADERS: [&str; 2] = ["POST /api/v1/manifest/agent/", "POST /api/v1/manifest/fetch/"];

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_a_stranger() {
    let house = house(&[]).await;
    let asked = testkit::unauthorized_coverage(&house.running.url(), &[]).await;
    assert!(asked >= 25, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_wants_its_own_permission_and_no_other() {
    let house = house(&[]).await;
    let listed: BTreeSet<String> =
        ROUTES.iter().map(|(route, ..)| *route).chain(LOADERS).map(Into::into).collect();
    let routes = testkit::routes(&house.running.url()).await;
    let there: BTreeSet<String> = routes.iter().map(testkit::Route::name).collect();
    assert_eq!(listed, there);
    for (version, permission) in (2..).zip(Permission::ALL) {
        allow(&house, permission.mask(), version);
        for (route, body, wanted) in ROUTES {
            let (method, path) = route.split_once(' ').unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let (id, query, kind) = match *body {
                USELESS => ("nothing", "?of=use&limit=none", "text/plain"),
                _ => ("1", "", "application/json"),
            };
            let url = house.url(&format!("{}{query}", path.replace("{id}", id)));
            let request = house.client.request(method, url).header("x-migapikey", api_key("alice"));
            let request = request.header("content-type", kind).body(*body);
            let answer = Answer::to(request).await;
            // MIG's clients know no 403
            let denied = if path.starts_with("/api/") { 401 } else { 403 };
            let refused = answer.status == denied;
            let name = permission.name();
            assert_eq!(refused, permission != wanted, "{route} with {name}: {answer:?}");
        }
    }
}

/// Gives Alice these rights and no others.
fn allow(house: &House, permissions: i64, version: i64) {
    let alice = person("alice", &house.clock);
    let state = InvestigatorChanged { version, permissions, ..alice };
    house.running.parts.replica.learn(&[state]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_before_an_archive_is_read() {
    let house = house(&[]).await;
    allow(&house, person("alice", &house.clock).permissions & !Permission::ManifestNew.mask(), 2);
    for (path, kind, status) in [
        ("/v1/manifests?name=m&target=TRUE", "application/gzip", "403"),
        ("/api/v1/manifest/new/", "application/x-www-form-urlencoded", "401"),
    ] {
        // nothing of what is said to follow ever comes
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: writ\r\nx-migapikey: {}\r\ncontent-type: {kind}\r\n\
             content-length: 20000000\r\n\r\n",
            api_key("alice")
        );
        let mut stream = TcpStream::connect(house.running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        // well before the service would give the body up
        let read = stream.read_exact(&mut answer);
        tokio::time::timeout(testkit::PATIENCE, read)
            .await
            .expect("it waits for the body")
            .unwrap();
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes(), "{path}");
    }
    assert_eq!(house.count("manifest").await, 0);
}
