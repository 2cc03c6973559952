//! The routes that a service describes; nobody gets into any of them without a credential.

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Are the credentials that open nothing: none, and wrong ones of each kind.
const WRONG: [Option<(&str, &str)>; 4] = [
    None,
    Some(("x-migapikey", "0123456789abcdef0123456789abcdef")),
    Some(("authorization", "Bearer 0123456789abcdef0123456789abcdef")),
    Some(("x-pgpauthorization", "1;2026-11-21T18:32:32Z;1;AAAA=AAAA")),
];

/// Is a route that a service describes.
#[derive(Debug, Clone)]
pub struct Route {
    /// How it is asked.
    pub method: Method,
    /// Where, as the document has it.
    pub path: String,
    /// Where, with values of the right type in the place of its parameters.
    pub filled: String,
}

impl Route {
    /// Gives its name: `GET /path`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Lists every route of `<base_url>/openapi.json`.
pub async fn routes(base_url: &str) -> Vec<Route> {
    let client = Client::builder().timeout(Duration::from_secs(10)).build().expect("no client");
    let answer = client.get(format!("{base_url}/openapi.json")).send().await.expect("no document");
    let document: Value = answer.json().await.expect("the document is not JSON");
    let mut routes = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            if operation.is_object() {
                let filled = filled(path, item, operation);
                routes.push(Route { method, path: path.clone(), filled });
            }
        }
    }
    routes
}

/// Asks every route of `<base_url>/openapi.json` without a credential and with wrong ones. Each must answer 401, but
/// for those in `public`, given as `GET /path`, which must exist and must not. Gives how many routes were asked.
pub async fn unauthorized_coverage(base_url: &str, public: &[&str]) -> usize {
    let client = Client::builder().timeout(Duration::from_secs(10)).build().expect("no client");
    let mut unused: BTreeSet<&str> = public.iter().copied().collect();
    let mut faults = Vec::new();
    let routes = routes(base_url).await;
    for route in &routes {
        let name = route.name();
        let is_public = public.contains(&name.as_str());
        unused.remove(name.as_str());
        let url = format!("{base_url}{}", route.filled);
        for credential in WRONG {
            let mut request = client.request(route.method.clone(), &url);
            if route.method != Method::GET {
                request = request.header("content-type", "application/json").body("{}");
            }
            if let Some((name, value)) = credential {
                request = request.header(name, value);
            }
            let status = request.send().await.expect("no answer").status();
            if (status == StatusCode::UNAUTHORIZED) == is_public {
                let credential = credential.map_or("no credential", |(name, _)| name);
                faults.push(format!("{name} with {credential} answers {status}"));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "routes that let the wrong ones in or the right ones out:\n{faults:#?}"
    );
    assert!(unused.is_empty(), "public routes that do not exist: {unused:?}");
    routes.len()
}

/// Puts values of the right type in the place of a path's parameters.
fn filled(path: &str, item: &Value, operation: &Value) -> String {
    let declared = [item, operation].into_iter().filter_map(|of| of.get("parameters")?.as_array());
    let mut path = path.to_owned();
    for parameter in declared.flatten() {
        let word = |pointer| parameter.pointer(pointer).and_then(Value::as_str);
        let value = match (word("/schema/type"), word("/schema/format")) {
            (Some("integer" | "number"), _) => "1",
            (_, Some("uuid")) => "01900000-0000-7000-8000-000000000001",
            _ => "x",
        };
        path = path.replace(&format!("{{{}}}", word("/name").unwrap_or_default()), value);
    }
    path
}
