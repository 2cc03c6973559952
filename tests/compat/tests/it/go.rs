//! A client as MIG's Go library is (specs/mig/clients.md §1): a new token for each request, one more try after a 401,
//! no body read of a 5xx, and answers decoded into structures as strictly as Go does.

use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use signing::{SecretKey, token};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use time::OffsetDateTime;
use types::Clock;

/// Says how a client proves who asks.
pub(crate) enum Proof {
    Pgp(SecretKey),
    ApiKey(&'static str),
}

pub(crate) struct Go {
    pub(crate) url: String,
    pub(crate) proof: Proof,
    http: Client,
    nonce: AtomicU64,
}

/// Is what every answer holds.
#[derive(Debug, Deserialize)]
struct Resource {
    collection: Collection,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Collection {
    #[serde(default)]
    pub(crate) items: Vec<Item>,
    pub(crate) error: Fault,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fault {
    code: String,
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    href: String,
    data: Vec<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    name: String,
    value: Value,
}

/// Is an action as the client's structure has it; numbers are floats first.
#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: f64,
    pub(crate) name: String,
    pub(crate) target: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) expireafter: OffsetDateTime,
    pub(crate) operations: Option<Vec<Operation>>,
    pub(crate) pgpsignatures: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) investigators: Vec<Investigator>,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) starttime: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) finishtime: OffsetDateTime,
    pub(crate) counters: BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) module: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: f64,
    pub(crate) name: String,
    pub(crate) queueloc: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) heartbeatts: OffsetDateTime,
    pub(crate) environment: Value,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Command {
    pub(crate) id: f64,
    pub(crate) action: Action,
    pub(crate) agent: Agent,
    pub(crate) status: String,
    pub(crate) results: Option<Vec<Outcome>>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) finishtime: OffsetDateTime,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) foundanything: bool,
    pub(crate) elements: Value,
    pub(crate) errors: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Investigator {
    #[serde(default)]
    pub(crate) id: f64,
    pub(crate) name: String,
    pub(crate) pgpfingerprint: String,
    pub(crate) status: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) createdat: OffsetDateTime,
    #[serde(default)]
    pub(crate) apikey: String,
    pub(crate) permissions: BTreeMap<String, bool>,
}

impl Go {
    pub(crate) fn new(url: String, proof: Proof) -> Self {
        // redirects are followed by Go's rules
        let http = Client::builder().timeout(testkit::PATIENCE).build().unwrap();
        Self { url, proof, http, nonce: AtomicU64::new(28_051_203_489_801) }
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&(String, Vec<u8>)>,
    ) -> reqwest::Response {
        let url = format!("{}/api/v1/{path}", self.url);
        let mut request = self.http.request(method.clone(), url);
        request =
            request.header(USER_AGENT, "MIG Client cmd-20190913").header(ACCEPT_ENCODING, "gzip");
        request = match &self.proof {
            Proof::Pgp(key) => {
                let nonce = self.nonce.fetch_add(1, Ordering::Relaxed).to_string();
                let token = token::make(key, Clock::system().now(), &nonce).unwrap();
                request.header("X-Pgpauthorization", token)
            }
            Proof::ApiKey(key) => request.header("X-Migapikey", *key),
        };
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body.clone());
        }
        request.send().await.unwrap()
    }

    /// Asks; gives the status and what was read of the body, which is nothing for a 5xx.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(String, Vec<u8>)>,
    ) -> (u16, Collection) {
        let mut answer = self.once(&method, path, body.as_ref()).await;
        if answer.status() == 401 && matches!(self.proof, Proof::Pgp(_)) {
            answer = self.once(&method, path, body.as_ref()).await;
        }
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert!(status < 500, "clients crash at {path}: {status} {text}");
        let resource: Resource =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
        if status >= 400 {
            assert!(resource.collection.error.code.parse::<f64>().is_ok(), "{path}: {text}");
        }
        (status, resource.collection)
    }

    /// Gets; an answer that is not 200 is an error with its text.
    pub(crate) async fn get(&self, path: &str) -> Result<Collection, String> {
        match self.ask(Method::GET, path, None).await {
            (200, collection) => Ok(collection),
            (status, Collection { error: Fault { code, message }, .. }) => {
                Err(format!("HTTP {status}. API call failed with error '{message}' (code {code})"))
            }
        }
    }

    /// Posts a form; `wanted` is the one status that the client takes.
    pub(crate) async fn post(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        wanted: u16,
    ) -> Collection {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = "application/x-www-form-urlencoded".to_owned();
        let (status, collection) =
            self.ask(Method::POST, path, Some((kind, form.into_bytes()))).await;
        assert_eq!(status, wanted, "{path}: {:?}", collection.error);
        collection
    }

    /// Posts an investigator as the console does.
    pub(crate) async fn create_investigator(
        &self,
        name: &str,
        permissions: &str,
        key: &str,
    ) -> Investigator {
        let mut body = String::new();
        for (head, content) in [
            ("name=\"name\"", name),
            ("name=\"permissions\"", permissions),
            (
                "name=\"publickey\"; filename=\"console\"\r\nContent-Type: application/octet-stream",
                key,
            ),
        ] {
            body.extend([
                "--3f1a\r\nContent-Disposition: form-data; ",
                head,
                "\r\n\r\n",
                content,
                "\r\n",
            ]);
        }
        body += "--3f1a--\r\n";
        let kind = "multipart/form-data; boundary=3f1a".to_owned();
        let path = "investigator/create/";
        let (status, collection) =
            self.ask(Method::POST, path, Some((kind, body.into_bytes()))).await;
        assert_eq!(status, 201, "{:?}", collection.error);
        collection.head()
    }
}

impl Collection {
    /// Reads the first value, whatever it is called.
    pub(crate) fn head<T: DeserializeOwned>(&self) -> T {
        read(&self.items[0].data[0].value)
    }

    /// Reads the one value of a single thing, which must be called `name`.
    pub(crate) fn single<T: DeserializeOwned>(&self, name: &str) -> T {
        assert!(self.items[0].href.starts_with("http"), "{}", self.items[0].href);
        assert_eq!(self.items[0].data[0].name, name);
        self.head()
    }

    /// Reads all values of this name; those of other names are passed over.
    pub(crate) fn all<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let data = self.items.iter().flat_map(|item| &item.data);
        data.filter(|data| data.name == name).map(|data| read(&data.value)).collect()
    }

    /// Gives the names of the first item.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.items[0].data.iter().map(|data| data.name.as_str()).collect()
    }
}

/// Reads a value as the client does: into untyped JSON, whose numbers are floats, and from there into its structure.
fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(floats(value)).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            // written out again, whole floats have no point
            let float = number.as_f64().unwrap();
            let whole = format!("{float:.0}").parse::<i64>();
            whole.ok().filter(|_| float.fract() == 0.0).map_or(Value::from(float), Value::from)
        }
        Value::Array(list) => list.iter().map(floats).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), floats(value))).collect()
        }
        other => other.clone(),
    }
}
