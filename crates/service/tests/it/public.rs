//! Several services behind one origin.

use crate::support::{Answer, client, process};
use actix_web::HttpResponse;
use actix_web::web::{Data, get};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use web::{Origin, Site, TrustedProxies, server};

struct Word(&'static str);

async fn say(word: Data<Word>) -> HttpResponse {
    HttpResponse::Ok().body(word.0)
}

/// Gives a site that answers more paths than are its own.
fn greedy(name: &'static str) -> Site {
    let word = Data::new(Word(name));
    Site {
        name,
        mount: Arc::new(move |config| {
            config.app_data(word.clone());
            for path in ["/manual/{any}", "/v1/executions", "/v1/steps", "/v1/actions", "/nothing"]
            {
                config.route(path, get().to(say));
            }
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_path_is_answered_by_its_service_with_its_own_data() {
    let process = process(&[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = server::Settings {
        origin: Origin::new("https://writ.example"),
        proxies: TrustedProxies::default(),
        workers: 1,
        drain: Duration::from_secs(1),
    };
    let sites = [greedy("scheduler"), process.running.site.clone(), greedy("manual-interaction")];
    let public = server::public(listener, &settings, &sites).unwrap();
    let handle = public.handle();
    let serving = tokio::spawn(public);
    let http = client();
    let get = async |path: &str| Answer::of(http.get(format!("{url}{path}"))).await;
    for (path, status, text) in [
        ("/v1/executions", 200, "scheduler"),
        ("/v1/steps", 200, "manual-interaction"),
        ("//manual//x", 200, "manual-interaction"),
        ("/api/v1/ip", 404, "404 page not found\n"),
    ] {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, text), "{path}");
    }
    for path in ["/nothing", "/openapi.json", "/docs", "/", "/v1/executionsx"] {
        assert_eq!(get(path).await.status, 404, "{path}");
    }
    let refused = get("/v1/actions").await;
    assert_eq!(refused.json()["code"], "unauthorized", "its own replica was asked");
    let mig = get("/api/v1/dashboard").await;
    assert_eq!(mig.mig_error(), "Valid authentication header not found");
    assert!(
        mig.text.contains("\"href\":\"https://writ.example/api/v1/dashboard\""),
        "{}",
        mig.text
    );
    handle.stop(true).await;
    serving.await.unwrap().unwrap();
    process.running.stop().await.unwrap();
}
