//! Nobody gets in without a credential: asked of every route that a service describes.

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

/// Asks every route of `<base_url>/openapi.json` without a credential and with wrong ones. Each must answer 401, but for
/// those in `public`, given as `GET /path`, which must exist and must not. Gives how many routes were asked.
pub async fn unauthorized_coverage(base_url: &str, public: &[&str]) -> usize {
    let client = Client::builder().timeout(Duration::from_secs(10)).build().expect("no client");
    let answer = client.get(format!("{base_url}/openapi.json")).send().await.expect("no document");
    let document: Value = answer.json().await.expect("the document is not JSON");
    let mut unused: BTreeSet<&str> = public.iter().copied().collect();
    let mut faults = Vec::new();
    let mut asked = 0;
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Ok(verb) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            if !operation.is_object() {
                continue;
            }
            asked += 1;
            let route = format!("{verb} {path}");
            let is_public = public.contains(&route.as_str());
            unused.remove(route.as_str());
            let url = format!("{base_url}{}", filled(path, item, operation));
            for credential in WRONG {
                let mut request = client.request(verb.clone(), &url);
                if verb != Method::GET {
                    request = request.header("content-type", "application/json").body("{}");
                }
                if let Some((name, value)) = credential {
                    request = request.header(name, value);
                }
                let status = request.send().await.expect("no answer").status();
                if (status == StatusCode::UNAUTHORIZED) == is_public {
                    let name = credential.map_or("no credential", |(name, _)| name);
                    faults.push(format!("{route} with {name} answers {status}"));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "routes that let the wrong ones in or the right ones out:\n{faults:#?}"
    );
    assert!(unused.is_empty(), "public routes that do not exist: {unused:?}");
    asked
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
