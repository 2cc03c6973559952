//! Who may ask what.

use crate::house::{Answer, api_key, house, person};
use reqwest::Method;
use types::Permission;
use types::messages::InvestigatorChanged;

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_a_stranger() {
    let house = house(&[]).await;
    let asked = testkit::unauthorized_coverage(&house.running.url(), &[]).await;
    assert!(asked >= 25, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_wants_its_own_permission_and_no_other() {
    let house = house(&[]).await;
    for (version, permission) in (2..).zip(Permission::ALL) {
        let alice = person("alice", &house.clock);
        let state = InvestigatorChanged { version, permissions: permission.mask(), ..alice };
        house.running.parts.replica.learn(&[state]);
        for (method, path, wanted, denied) in [
            (Method::GET, "/api/v1/loader?loaderid=1", Permission::Loader, 401),
            (Method::POST, "/api/v1/loader/status/", Permission::LoaderStatus, 401),
            (Method::POST, "/api/v1/loader/expect/", Permission::LoaderExpect, 401),
            (Method::POST, "/api/v1/loader/key/", Permission::LoaderKey, 401),
            (Method::POST, "/api/v1/loader/new/", Permission::LoaderNew, 401),
            (Method::GET, "/api/v1/manifest?manifestid=1", Permission::Manifest, 401),
            (Method::GET, "/api/v1/manifest/?manifestid=1", Permission::Manifest, 401),
            (Method::POST, "/api/v1/manifest/sign/", Permission::ManifestSign, 401),
            (Method::POST, "/api/v1/manifest/status/", Permission::ManifestStatus, 401),
            (Method::POST, "/api/v1/manifest/new/", Permission::ManifestNew, 401),
            (
                Method::GET,
                "/api/v1/manifest/loaders/?manifestid=1",
                Permission::ManifestLoaders,
                401,
            ),
            (Method::GET, "/v1/loaders", Permission::Loader, 403),
            (Method::GET, "/v1/manifests", Permission::Manifest, 403),
            (Method::GET, "/v1/manifests/1/rollout", Permission::ManifestLoaders, 403),
        ] {
            let request = house.client.request(method, house.url(path));
            let answer = Answer::of(request.header("x-migapikey", api_key("alice"))).await;
            let refused = answer.status == denied;
            assert_eq!(
                refused,
                *permission != wanted,
                "{path} with {}: {answer:?}",
                permission.name()
            );
        }
    }
}
