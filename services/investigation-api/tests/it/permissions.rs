//! Each of MIG's routes here takes exactly its own permission.

use crate::house::{house, send};
use reqwest::Method;
use types::Permission;

#[tokio::test(flavor = "multi_thread")]
async fn each_route_wants_its_own_bit_and_no_other() {
    let house = house(&[]).await;
    for permission in Permission::ALL {
        house
            .add(permission.name(), permission.mask(), &format!("key-{}", permission.name()))
            .await;
    }
    for (method, path, wanted) in [
        (Method::GET, "/api/v1/search", Permission::Search),
        (Method::GET, "/api/v1/action?actionid=1", Permission::Action),
        (Method::POST, "/api/v1/action/create/", Permission::ActionCreate),
        (Method::GET, "/api/v1/command?commandid=1", Permission::Command),
        (Method::GET, "/api/v1/investigator?investigatorid=0", Permission::Investigator),
        (Method::POST, "/api/v1/investigator/create/", Permission::InvestigatorCreate),
        (Method::POST, "/api/v1/investigator/update/", Permission::InvestigatorUpdate),
    ] {
        for permission in Permission::ALL {
            let request =
                house.client.request(method.clone(), format!("{}{path}", house.running.url()));
            let request = request
                .header("content-type", "multipart/form-data; boundary=b")
                .header("x-migapikey", format!("key-{}", permission.name()))
                .body("--b--");
            let answer = send(request).await;
            let denied = answer.status == 401;
            assert_eq!(
                denied,
                *permission != wanted,
                "{path} with {}: {answer:?}",
                permission.name()
            );
            if denied {
                assert_eq!(answer.error(), "Insufficient permissions to access endpoint");
            }
        }
        let nobody = house.call(method.clone(), path, "no such key").await.expect(401);
        assert!(nobody.error().contains("API key authentication failed"), "{nobody:?}");
    }
}
