//! Each route takes exactly its own permission; one that the document describes and this table does not is a failure.

use crate::house::{House, house, send};
use std::collections::BTreeMap;
use testkit::{Route, routes};
use types::{Permission, Permissions};

/// Lists what each route asks for; nothing where anyone may ask.
const WANTED: &[(&str, Option<Permission>)] = &[
    ("GET /api/v1/heartbeat", None),
    ("GET /api/v1/ip", None),
    ("GET /api/v1/publickey/{fingerprint}", None),
    ("GET /api/v1/search", Some(Permission::Search)),
    ("GET /api/v1/action", Some(Permission::Action)),
    ("POST /api/v1/action/create/", Some(Permission::ActionCreate)),
    ("GET /api/v1/command", Some(Permission::Command)),
    ("GET /api/v1/agent", Some(Permission::Agent)),
    ("GET /api/v1/dashboard", Some(Permission::Dashboard)),
    ("GET /api/v1/investigator", Some(Permission::Investigator)),
    ("POST /api/v1/investigator/create/", Some(Permission::InvestigatorCreate)),
    ("POST /api/v1/investigator/update/", Some(Permission::InvestigatorUpdate)),
    ("POST /v1/actions/preview", Some(Permission::Agent)),
    ("POST /v1/actions", Some(Permission::ActionCreate)),
    ("GET /v1/actions", Some(Permission::Action)),
    ("GET /v1/actions/{id}", Some(Permission::Action)),
    ("GET /v1/actions/{id}/commands", Some(Permission::Command)),
    ("GET /v1/actions/{id}/events", Some(Permission::Action)),
    ("POST /v1/actions/{id}/cancel", Some(Permission::ActionCreate)),
    ("POST /v1/actions/{id}/pause", Some(Permission::ActionCreate)),
    ("POST /v1/actions/{id}/resume", Some(Permission::ActionCreate)),
];

/// Asks a route with a key, and with a path, a query and a body that nobody would take: who may not come in is told so
/// first. Tells whether that was refused for want of a permission.
async fn denied(house: &House, route: &Route, key: &str) -> bool {
    let path = route.path.replace("{id}", "nothing");
    let url = format!("{}{path}?of=use&limit=none", house.running.url());
    let request = house.client.request(route.method.clone(), url).header("x-migapikey", key);
    let answer = send(request.header("content-type", "text/plain").body("nothing of use")).await;
    // MIG's clients know 401 only
    let status = if route.path.starts_with("/api/v1/") { 401 } else { 403 };
    assert!(answer.status < 500, "{}: {answer:?}", route.name());
    if matches!(answer.status, 401 | 403) {
        assert_eq!(answer.status, status, "{}: {answer:?}", route.name());
        if status == 401 {
            assert_eq!(answer.error(), "Insufficient permissions to access endpoint");
        }
        return true;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_wants_its_own_bit_and_no_other() {
    let house = house(&[]).await;
    for permission in Permission::ALL {
        let (name, mask) = (permission.name(), permission.mask());
        house.add(name, mask, &format!("only-{name}")).await;
        let but = format!("but-{name}");
        house.add(&but, Permissions::all().0 & !mask, &but).await;
    }
    let mut table: BTreeMap<&str, Option<Permission>> = WANTED.iter().copied().collect();
    for route in routes(&house.running.url()).await {
        let name = route.name();
        let wanted =
            table.remove(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table"));
        for permission in Permission::ALL {
            let (only, but) =
                (format!("only-{}", permission.name()), format!("but-{}", permission.name()));
            let fits = wanted.is_none_or(|wanted| wanted == *permission);
            assert_eq!(denied(&house, &route, &only).await, !fits, "{name} with {only}");
            let lacks = wanted.is_some_and(|wanted| wanted == *permission);
            assert_eq!(denied(&house, &route, &but).await, lacks, "{name} with {but}");
        }
    }
    assert!(table.is_empty(), "routes that are not there: {table:?}");
    assert_eq!(house.count("action").await + house.count("audit where outcome = 'done'").await, 0);
}
