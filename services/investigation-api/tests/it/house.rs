//! A process on a database and a virtual host of its own, with an administrator.

use diesel_async::RunQueryDsl;
use investigation_api::InvestigationApi;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method};
use service::{Running, Settings, Shutdown};
pub(crate) use testkit::Answer;
use testkit::{Database, PATIENCE, Vhost, keys};
use types::{Clock, Permissions};

pub(crate) const ADMIN: &str = "administratorAdministrator012345";

/// Is a process that runs.
pub(crate) struct House {
    pub(crate) running: Running<InvestigationApi>,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    pub(crate) client: Client,
    pub(crate) vhost: Vhost,
}

/// Starts one, with investigator 1, who has the key of `admin`, the API key [`ADMIN`] and every permission.
pub(crate) async fn house(flags: &[&str]) -> House {
    let vhost = testkit::vhost().await;
    let database = Database::new("investigation_api", vec![]).await;
    let clock = Clock::fixed(Clock::system().now());
    let running = start(database.url(), &vhost, &clock, flags).await;
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    let house = House { running, clock, database, client, vhost };
    house.add("admin", Permissions::all().0, ADMIN).await;
    house
}

pub(crate) async fn start(
    database: &str,
    vhost: &Vhost,
    clock: &Clock,
    flags: &[&str],
) -> Running<InvestigationApi> {
    let common = [
        ["--database-url", database],
        ["--amqp-url", vhost.url()],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
        ["--public-url", "http://127.0.0.1:18340"],
    ];
    let mut settings =
        Settings::<InvestigationApi>::parse(common.iter().flatten().chain(flags)).unwrap();
    settings.clock = clock.clone();
    service::start(settings, Shutdown::new()).await.unwrap()
}

impl House {
    /// Writes an investigator straight into the tables and the memory.
    pub(crate) async fn add(&self, name: &str, permissions: i64, api_key: &str) {
        let key = keys::of(name);
        let columns = "id, name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified, version";
        self.execute(&format!(
            "with made as (insert into investigator (name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified)
                 values ('{name}', '{}', '{}', 'active', {permissions}, '{}', now(), now()) returning *)
             insert into auth.investigator ({columns}) select {columns} from made",
            key.public().fingerprint(),
            key.public().armored(),
            auth::api_key_hash(api_key),
        ))
        .await;
        let parts = &self.running.parts;
        parts.replica.refresh(&parts.store, self.clock.now()).await.unwrap();
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap();
    }

    pub(crate) async fn try_execute(&self, sql: &str) -> diesel::QueryResult<usize> {
        let mut conn = self.running.parts.store.get().await.unwrap();
        store::sql(sql).execute(&mut conn).await
    }

    pub(crate) async fn count(&self, from: &str) -> i64 {
        testkit::count(&self.running.parts.store, from).await
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        testkit::texts(&self.running.parts.store, sql).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, api_key: &str) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.running.url()));
        send(request.header("x-migapikey", api_key)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, ADMIN).await
    }

    pub(crate) async fn form(&self, path: &str, body: &str) -> Answer {
        let request = self.client.post(format!("{}{path}", self.running.url()));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        send(request.header("x-migapikey", ADMIN).body(body.to_owned())).await
    }

    pub(crate) async fn update(&self, body: &str) -> Answer {
        self.form("/api/v1/investigator/update/", body).await
    }

    /// Posts a multipart body; a part with a third text is a file of that name.
    pub(crate) async fn create(&self, parts: &[(&str, &str, Option<&str>)]) -> Answer {
        let mut body = String::new();
        for (name, content, file) in parts {
            let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
            let head = format!("Content-Disposition: form-data; name=\"{name}\"{file}");
            body.extend(["------cap\r\n", &head, "\r\n\r\n", content, "\r\n"]);
        }
        body += "------cap--\r\n";
        let request =
            self.client.post(format!("{}/api/v1/investigator/create/", self.running.url()));
        let request = request.header(CONTENT_TYPE, "multipart/form-data; boundary=----cap");
        send(request.header("x-migapikey", ADMIN).body(body)).await
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::to(request).await
}
