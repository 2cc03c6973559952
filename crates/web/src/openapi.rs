//! The service's own description: OpenAPI 3.1 at `/openapi.json` and a page for people at `/docs`.

use crate::page::escape;
use actix_web::{App, HttpResponse, web};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, Paths, SecurityRequirement};
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

/// Collects the document of a service from its routes.
pub fn document(name: &str, routes: impl FnOnce(&mut ServiceConfig<'_>)) -> OpenApi {
    let (_, document) =
        App::new().into_utoipa_app().openapi(frame(name)).configure(routes).split_for_parts();
    document
}

/// Gives the document's frame: title, version and the ways to prove who one is.
pub(crate) fn frame(name: &str) -> OpenApi {
    let mut info = Info::new(format!("Writ {name}"), env!("CARGO_PKG_VERSION").into());
    info.description = Some(format!("The paths that {name} answers on its own origin."));
    let mut document = OpenApi::new(info, Paths::new());
    let header = |name: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let mut components = Components::new();
    components.security_schemes.extend([
        ("token".into(), header("X-PGPAUTHORIZATION").into()),
        ("apikey".into(), header("X-MIGAPIKEY").into()),
        ("bearer".into(), SecurityScheme::Http(bearer).into()),
    ]);
    if name == "loader-manifest" {
        components.security_schemes.insert("loaderkey".into(), header("X-LOADERKEY").into());
    }
    document.components = Some(components);
    let any = ["token", "apikey", "bearer"];
    document.security = Some(any.map(|n| SecurityRequirement::new(n, Vec::<String>::new())).into());
    document
}

/// Serves the document and its page.
pub(crate) fn routes(document: &OpenApi, config: &mut web::ServiceConfig) {
    let json = web::Bytes::from(document.to_json().unwrap_or_default());
    let page = web::Bytes::from(page(document));
    config.route(
        "/openapi.json",
        web::get().to(move || {
            let json = json.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(json) }
        }),
    );
    config.route(
        "/docs",
        web::get().to(move || {
            let page = page.clone();
            async move { HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page) }
        }),
    );
}

/// Lists the routes on a page that needs no script.
fn page(document: &OpenApi) -> String {
    let title = escape(&document.info.title);
    let mut rows = Vec::new();
    let value = serde_json::to_value(&document.paths).unwrap_or_default();
    for (path, methods) in value.as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let summary = operation.get("summary").and_then(|s| s.as_str()).unwrap_or_default();
            rows.push(format!(
                "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                escape(&method.to_uppercase()),
                escape(path),
                escape(summary)
            ));
        }
    }
    let rows = rows.concat();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <h1>{title}</h1><p><a href=\"/openapi.json\">openapi.json</a></p><table>{rows}</table></html>"
    )
}
