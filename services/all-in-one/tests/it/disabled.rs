//! Whoever is disabled is out of every service within a second of the commit.

use agent_gateway::AgentGateway;
use investigation_api::InvestigationApi;
use loader_manifest::LoaderManifest;
use manual_interaction::ManualInteraction;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use scheduler::Scheduler;
use serde_json::Value;
use service::{Parts, Running, Service, Settings, Shutdown};
use std::time::{Duration, Instant};
use testkit::{Database, PATIENCE, Vhost, keys, until};
use types::{Clock, Permission};

/// Says how soon a change must be known everywhere.
const SOON: Duration = Duration::from_secs(1);
/// Says how often it is tried: a machine that is busy with something else may be late once.
const TRIES: usize = 5;

pub(crate) async fn start<S: Service>(vhost: &Vhost) -> (Database, Running<S>) {
    start_with(vhost, &[]).await
}

/// Starts a service with more settings.
pub(crate) async fn start_with<S: Service>(
    vhost: &Vhost,
    more: &[[&str; 2]],
) -> (Database, Running<S>) {
    let database = Database::new(S::NAME, vec![]).await;
    let words = [
        ["--database-url", database.url()],
        ["--amqp-url", vhost.url()],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
        ["--database-pool", "4"],
    ];
    let words = [&words, more].concat();
    let settings = Settings::<S>::parse(words.as_flattened()).unwrap();
    (database, service::start(settings, Shutdown::new()).await.unwrap())
}

/// Is the administrator at investigation-api.
pub(crate) struct Administrator {
    url: String,
    pub(crate) http: Client,
}

impl Administrator {
    /// Makes the first one, at the database.
    pub(crate) async fn new(api: &Running<InvestigationApi>) -> Self {
        let file = std::env::temp_dir().join(format!("administrator-{}.asc", std::process::id()));
        std::fs::write(&file, keys::of("admin").public().armored()).unwrap();
        let command =
            InvestigationApi::commands().into_iter().find(|c| c.get_name() == "bootstrap").unwrap();
        let words = ["bootstrap", "--name", "admin", "--public-key", file.to_str().unwrap()];
        let matches = command.try_get_matches_from(words).unwrap();
        let config = investigation_api::Config::default();
        let parts = api.parts.clone();
        InvestigationApi::command(parts, config, "bootstrap", &matches).await.unwrap();
        std::fs::remove_file(file).unwrap();
        let http = Client::builder().timeout(PATIENCE).build().unwrap();
        let administrator = Self { url: api.url(), http };
        let path = "/api/v1/investigator?investigatorid=1";
        until(PATIENCE, async || administrator.get(path).await == 200).await;
        administrator
    }

    pub(crate) fn token() -> String {
        let now = Clock::system().now();
        signing::token::make(&keys::of("admin"), now, "1").unwrap()
    }

    async fn get(&self, path: &str) -> u16 {
        let request = self.http.get(format!("{}{path}", self.url));
        let request = request.header("x-pgpauthorization", Self::token());
        request.send().await.unwrap().status().as_u16()
    }

    async fn post(&self, path: &str, content: &str, body: String) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).header(CONTENT_TYPE, content);
        let request = request.header("x-pgpauthorization", Self::token());
        let answer = request.body(body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["collection"]["items"][0]["data"][0]["value"].clone()
    }

    /// Creates someone who may read what agent-gateway has; gives number and API key.
    async fn create(&self, name: &str) -> (i64, String) {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{name}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"permissions\"\r\n\r\n{{\"gateway_read\":true}}\r\n--b--\r\n"
        );
        let made =
            self.post("/api/v1/investigator/create/", "multipart/form-data; boundary=b", body);
        let id = made.await["id"].as_i64().unwrap();
        let key = self.update(id, "apikey=active").await["apikey"].as_str().unwrap().to_owned();
        (id, key)
    }

    async fn update(&self, id: i64, change: &str) -> Value {
        let body = format!("id={id}&{change}");
        let form = "application/x-www-form-urlencoded";
        self.post("/api/v1/investigator/update/", form, body).await
    }
}

/// Tells whether a service lets somebody in, by the very keys that its requests are judged by.
fn lets_in(parts: &Parts, key: &str) -> bool {
    let caller = parts.replica.current().by_api_key(key);
    caller.is_ok_and(|caller| caller.permissions.has(Permission::GatewayRead))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_is_out_of_every_service_within_a_second() {
    let _once = rustls::crypto::ring::default_provider().install_default();
    let vhost = testkit::vhost().await;
    let (_api_database, api) = start::<InvestigationApi>(&vhost).await;
    let (_scheduler_database, scheduler) = start::<Scheduler>(&vhost).await;
    let (_gateway_database, gateway) = start::<AgentGateway>(&vhost).await;
    let (_loader_database, loader) = start::<LoaderManifest>(&vhost).await;
    let (_manual_database, manual) = start::<ManualInteraction>(&vhost).await;
    let others = [&scheduler.parts, &gateway.parts, &loader.parts, &manual.parts];
    let administrator = Administrator::new(&api).await;

    for change in ["status=disabled", "apikey=disabled", "apikey=active", "permissions=%7B%7D"] {
        let mut took = vec![];
        for turn in 0..TRIES {
            let (id, key) = administrator.create(&format!("{change} {turn}")).await;
            let agents = async || {
                let request = administrator.http.get(format!("{}/v1/agents", gateway.url()));
                request.header("x-migapikey", &key).send().await.unwrap().status().as_u16()
            };
            until(PATIENCE, async || others.iter().all(|parts| lets_in(parts, &key))).await;
            assert_eq!(agents().await, 200);
            administrator.update(id, change).await;
            // the answer follows the commit
            let committed = Instant::now();
            until(PATIENCE, async || {
                agents().await != 200 && !others.iter().any(|parts| lets_in(parts, &key))
            })
            .await;
            took.push(committed.elapsed());
            assert!(matches!(agents().await, 401 | 403));
        }
        println!("{change}: {took:?}");
        assert!(took.iter().min().is_some_and(|best| *best <= SOON), "{change}: {took:?}");
    }
}

/// Counts the rows of the audit that hold `text`.
async fn audited(api: &Parts, text: &str) -> i64 {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let statement = "select count(*) as count from audit \
                     where who || ' ' || what || ' ' || subject || ' ' || outcome = $1";
    let mut conn = api.store.get().await.unwrap();
    let query = store::sql(statement).bind::<diesel::sql_types::Text, _>(text);
    query.get_result::<Count>(&mut conn).await.unwrap().count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_service_did_and_refused_is_in_the_audit() {
    let _once = rustls::crypto::ring::default_provider().install_default();
    let vhost = testkit::vhost().await;
    let (_api_database, api) = start::<InvestigationApi>(&vhost).await;
    let (_gateway_database, gateway) = start::<AgentGateway>(&vhost).await;
    let administrator = Administrator::new(&api).await;
    let (_id, key) = administrator.create("reader").await;
    until(PATIENCE, async || lets_in(&gateway.parts, &key)).await;
    let teams = async |header: &str, value: &str| {
        let request = administrator.http.post(format!("{}/v1/teams", gateway.url()));
        let request = request.header(CONTENT_TYPE, "application/json").body(r#"{"name":"red"}"#);
        request.header(header, value).send().await.unwrap().status().as_u16()
    };
    let made = async || teams("x-pgpauthorization", &Administrator::token()).await;
    until(PATIENCE, async || made().await == 201).await;
    assert_eq!(teams("x-migapikey", &key).await, 403);
    assert_eq!(teams("x-migapikey", "nobody").await, 401);
    for row in [
        "admin request agent-gateway POST /v1/teams done",
        "reader request agent-gateway POST /v1/teams refused",
        " login agent-gateway POST /v1/teams refused",
    ] {
        until(PATIENCE, async || audited(&api.parts, row).await >= 1).await;
    }
    assert_eq!(audited(&api.parts, "reader request agent-gateway POST /v1/teams done").await, 0);
}
