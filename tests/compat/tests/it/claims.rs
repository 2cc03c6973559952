//! What is known of the recorded server beside the recordings that were kept, asked of investigation-api: in the words
//! of the recorded ones where those told what was wrong, in better ones where they told of Go and SQL.
//!
//! Long because it is one list of claims.

use crate::capture::{Answer, exchange};
use crate::json::Json;
use crate::world::World;
use signing::{SecretKey, token};
use testkit::keys;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const AT: OffsetDateTime = datetime!(2026-11-21 18:36:30 UTC);
const KEY: &str = "DorasKeyDorasKeyDorasKey01234567";
const FAILED: &str = "Authorization verification failed with error 'verifySignedToken() -> ";

/// Is a world after all that was recorded before the searches, and Dora, who may do everything and whose key is at
/// hand.
struct Asked {
    world: World,
    dora: SecretKey,
}

impl Asked {
    async fn new() -> Self {
        let world = World::begin().await;
        for number in [47, 165] {
            world.before(number).await;
        }
        world.at(AT).await;
        let dora = keys::of("dora");
        world.add(7, "Dora", 524_287, Some(dora.public().armored()), Some(KEY)).await;
        Self { world, dora }
    }

    async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() {
            request.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        request += "\r\n";
        request += body;
        exchange(self.world.running.address, request.as_bytes()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET /api/v1{path}"), &[("X-Migapikey", KEY)], "").await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        self.send(&format!("POST /api/v1{path}"), &[("X-Migapikey", KEY), kind], form).await
    }

    async fn with_token(&self, token: &str) -> Answer {
        self.send("GET /api/v1/dashboard", &[("X-Pgpauthorization", token)], "").await
    }

    fn token(&self, at: OffsetDateTime, nonce: &str) -> String {
        token::make(&self.dora, at, nonce).unwrap()
    }
}

impl Answer {
    fn message(&self) -> String {
        Json::parse(&self.body).get("collection").get("error").get("message").text().to_owned()
    }

    /// Counts the items that are no `search parameters` and no `pagination`.
    fn rows(&self) -> usize {
        let json = Json::parse(&self.body);
        let Json::List(items) = json.get("collection").get("items") else { return 0 };
        let name = |item: &Json| match item.get("data") {
            Json::List(data) => data.first().map_or("", |data| data.get("name").text()).to_owned(),
            _ => String::new(),
        };
        items
            .iter()
            .filter(|item| !matches!(&*name(item), "search parameters" | "pagination"))
            .count()
    }

    /// Gives the value of the first item.
    fn value(&self) -> Json {
        let json = Json::parse(&self.body);
        let Json::List(items) = json.get("collection").get("items") else {
            panic!("{}", self.body)
        };
        let Json::List(data) = items[0].get("data") else { panic!("{}", self.body) };
        data[0].get("value").clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_exist_in_one_form_only() {
    let asked = Asked::new().await;
    for line in [
        "GET /api/v1",
        "GET /api/v1/heartbeat/",
        "OPTIONS /api/v1/heartbeat",
        "HEAD /api/v1/ip",
        "POST /api/v1/ip",
        "GET /api/v1/publickey/",
        "GET /api/v1/dashboard/",
        "GET /api/v1/action/create/",
        "POST /api/v1/action/create",
        "POST /api/v1/investigator/create",
        "PUT /api/v1/action/create/",
        "DELETE /api/v1/investigator",
        "POST /api/v1/search",
    ] {
        let answer = asked.send(line, &[("X-Migapikey", KEY)], "").await;
        assert_eq!(answer.status, 404, "{line}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{line}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{line}");
        if !line.starts_with("HEAD") {
            assert_eq!(answer.body, "404 page not found\n", "{line}");
        }
    }
    // agents whose address ends in a slash ask so
    let answer = asked.get("//search?type=agent&limit=1").await;
    assert!(matches!(answer.status, 200 | 301), "{}", answer.status);
    let forwarded = asked.send("GET /api/v1/ip", &[("X-Forwarded-For", "192.0.2.9")], "").await;
    assert_eq!((forwarded.status, &*forwarded.body), (200, "127.0.0.1"), "no proxy is trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_count_as_they_did() {
    let asked = Asked::new().await;
    let good = asked.token(AT, "42");
    let part = |number: usize, new: &str| {
        let mut parts: Vec<&str> = good.split(';').collect();
        parts[number] = new;
        parts.join(";")
    };
    let armor = good.rsplit(';').next().unwrap();
    let (payload, _) = armor.rsplit_once('=').unwrap();
    for (what, token, status, message) in [
        ("one that is right", good.clone(), 200, ""),
        ("the same again", good.clone(), 200, ""),
        ("a nonce that is text", asked.token(AT, "hello,world"), 200, ""),
        ("just old enough", asked.token(AT - Duration::minutes(10), "1"), 200, ""),
        (
            "too old",
            asked.token(AT - Duration::seconds(601), "1"),
            401,
            "token timestamp is not within acceptable time limits",
        ),
        (
            "too new",
            asked.token(AT + Duration::seconds(601), "1"),
            401,
            "token timestamp is not within acceptable time limits",
        ),
        ("three parts", "1;2;3".into(), 401, "invalid token format"),
        ("another version", part(0, "2"), 401, "invalid token version, must be 1"),
        (
            "an offset",
            part(1, "2026-11-21T18:36:30+00:00"),
            401,
            "parsing time \"2026-11-21T18:36:30+00:00\" as \"2006-01-02T15:04:05Z\": cannot parse \"+00:00\" as \"Z\"",
        ),
        (
            "another time",
            part(1, "2026-11-21T18:36:31Z"),
            401,
            "GetFingerprintFromSignature() -> openpgp: invalid signature: hash tag doesn't match",
        ),
        (
            "another nonce",
            part(2, "43"),
            401,
            "GetFingerprintFromSignature() -> openpgp: invalid signature: hash tag doesn't match",
        ),
        (
            "no checksum",
            part(3, payload.trim_end_matches('=')),
            401,
            "GetFingerprintFromSignature() -> ",
        ),
        (
            "a broken payload",
            part(3, "!!!!=abcd"),
            401,
            "GetFingerprintFromSignature() -> illegal base64 data at input byte 0",
        ),
    ] {
        let answer = asked.with_token(&token).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        if status == 401 {
            let said = answer.message();
            assert!(said.starts_with(&format!("{FAILED}{message}")), "{what}: {said}");
        }
    }
    // a bad token is not made good by an API key, and either header's name may be in any case
    let both = [("X-PGPAUTHORIZATION", "garbage"), ("X-MIGAPIKEY", KEY)];
    assert_eq!(asked.send("GET /api/v1/dashboard", &both, "").await.status, 401);
    let empty = [("x-pgpauthorization", ""), ("x-migapikey", KEY)];
    assert_eq!(asked.send("GET /api/v1/dashboard", &empty, "").await.status, 200);
    let none = asked.send("GET /api/v1/dashboard", &[], "").await;
    assert_eq!((none.status, &*none.message()), (401, "Valid authentication header not found"));
    let wrong = [("X-Migapikey", "DorasKeyDorasKeyDorasKey01234568")];
    let wrong = asked.send("GET /api/v1/dashboard", &wrong, "").await;
    let said = "Authorization verification failed with error 'API key authentication failed'";
    assert_eq!((wrong.status, &*wrong.message()), (401, said));
    // disabled is disabled at once
    assert_eq!(
        asked
            .post("/investigator/update/", "id=7&permissions=%7B%22dashboard%22%3Atrue%7D")
            .await
            .status,
        200
    );
    assert_eq!(asked.with_token(&good).await.status, 200);
    asked.world.change(7, "status = 'disabled'").await;
    assert_eq!(asked.with_token(&good).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_things_are_shown_as_they_were() {
    let asked = Asked::new().await;
    let long = format!("/action?actionid={}", "9".repeat(400));
    for (path, status, message) in [
        ("/action?actionid=28051219611733", 200, ""),
        ("/action?actionid=2.8051219611733e13", 200, ""),
        ("/action?actionid=0", 400, "Invalid Action ID '0'"),
        ("/action?actionid=NaN", 400, "Invalid Action ID 'NaN'"),
        ("/action?actionid=12345", 404, "Action ID '12345' not found"),
        ("/action?actionid=-Inf", 400, "Invalid Action ID '-Inf'"),
        (long.as_str(), 404, "Action ID '+Inf' not found"),
        ("/command?commandid=28051200737531", 200, ""),
        ("/command?commandid=0", 400, "Invalid Command ID '0'"),
        (
            "/command?commandid=x",
            400,
            "Wrong parameters 'commandid': 'strconv.ParseFloat: parsing \"x\": invalid syntax'",
        ),
        ("/agent?agentid=28051203489798.0", 200, ""),
        ("/agent?agentid=-1", 400, "Invalid Agent ID '-1'"),
        ("/agent?agentid=999", 404, "Agent ID '999' not found"),
        ("/investigator?investigatorid=2", 200, ""),
        ("/investigator?investigatorid=2.0", 200, ""),
        ("/investigator?investigatorid=-1", 400, "Invalid Investigator ID '-1'"),
        ("/dashboard", 200, ""),
    ] {
        let answer = asked.get(path).await;
        assert_eq!((answer.status, &*answer.message()), (status, message), "{path}");
    }
    let command = asked.get("/command?commandid=28051200737531").await.value();
    let text =
        |path: &[&str]| path.iter().fold(&command, |at, name| at.get(name)).text().to_owned();
    assert_eq!(text(&["agent", "mode"]), "daemon");
    assert!(text(&["agent", "queueloc"]).starts_with("linux."));
    assert_eq!(text(&["action", "starttime"]), "0001-01-01T00:00:00Z");
    assert_eq!(command.get("action").get("investigators"), &Json::Null);
    assert_eq!(command.get("agent").get("environment").to_string(), "{isproxied aws}");
    assert_eq!(command.get("action").get("counters").to_string(), "{}");
    let bob = asked.get("/investigator?investigatorid=2").await;
    assert!(bob.body.contains(r#""links":[{"rel":"investigator history","href":"http://127.0.0.1:18340/api/v1/search?type=action\u0026investigatorid=2\u0026limit=100"}]"#));
    assert_eq!(bob.value().get("apikey"), &Json::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_they_found() {
    let asked = Asked::new().await;
    let found = "/search?type=agent&target=id+IN+%28select+agentid+from+commands%2C+json_array_elements%28commands.results%29+as+r+where+actionid%3D28051203489801+and+r%23%3E%3E%27%7Bfoundanything%7D%27+%3D+%27true%27%29+AND+status%3D%27online%27";
    for (path, status, rows) in [
        ("/search?type=agent", 200, 3),
        ("/search?type=investigator", 200, 5),
        ("/search?type=action&status=completed", 200, 2),
        ("/search?type=action&status=COMPL%25", 200, 2),
        ("/search?type=action&status=pending", 404, 0),
        ("/search?actionname=FILE+-t+allonline%25", 200, 1),
        ("/search?type=action&actionname=file", 404, 0),
        ("/search?type=action&actionid=2.8051203489801e13", 200, 1),
        ("/search?type=action&actionid=%E2%88%9E", 200, 2),
        ("/search?type=action&before=2026-11-21T18:40:00Z", 200, 1),
        ("/search?type=action&after=2026-11-21T18:34:00Z", 200, 1),
        ("/search?type=action&agentname=a2%25", 200, 1),
        ("/search?type=action&agentversion=2018%25", 200, 1),
        ("/search?type=action&investigatorid=2", 200, 2),
        ("/search?type=action&investigatorid=3", 404, 0),
        ("/search?type=action&threatfamily=COMPLIANCE", 200, 1),
        ("/search?type=command&status=success", 200, 1),
        ("/search?type=command&foundanything=TRUE", 200, 1),
        ("/search?type=command&foundanything=false", 404, 0),
        ("/search?type=command&before=2026-11-21T18:31:00Z", 200, 1),
        ("/search?type=command&agentname=A3.example.net", 200, 1),
        ("/search?type=command&agentid=28051203489798", 200, 2),
        ("/search?type=command&commandid=28051200737531", 200, 1),
        ("/search?type=command&investigatorid=3", 404, 0),
        ("/search?type=command&limit=37&offset=0&actionid=28051219611733", 200, 3),
        ("/search?type=command&limit=37&offset=37&actionid=28051219611733", 404, 0),
        ("/search?type=agent&agentname=a%25&offset=3", 404, 0),
        ("/search?type=agent&status=online&limit=1", 200, 1),
        ("/search?type=agent&status=on_ine", 200, 3),
        ("/search?type=agent&status=offline", 404, 0),
        ("/search?type=agent&before=2026-11-21T18:35:47Z", 200, 1),
        ("/search?type=agent&threatfamily=comp%25", 200, 3),
        ("/search?type=investigator&investigatorname=%25bob%25", 200, 1),
        ("/search?type=investigator&agentid=28051203489798", 200, 1),
        ("/search?type=investigator&status=%25active", 200, 5),
        ("/search?type=agent&target=status%3D%27online%27&limit=1", 200, 1),
        ("/search?type=agent&target=status%3D%27online%27&limit=1000000", 200, 3),
        ("/search?type=agent&target=name+ILIKE+%27A_.%25%27", 200, 3),
        ("/search?type=agent&target=environment-%3E%3E%27os%27%3D%27darwin%27", 404, 0),
        ("/search?type=agent&target=name%3D%27a1.example.net%27&status=offline", 200, 1),
        (found, 200, 1),
    ] {
        let answer = asked.get(path).await;
        assert_eq!((answer.status, answer.rows()), (status, rows), "{path}: {}", answer.body);
        if status == 404 {
            assert_eq!(answer.message(), "no results found", "{path}");
        }
        assert!(answer.body.contains(r#""name":"search parameters""#), "{path}");
    }
    for (path, text) in [
        ("/search?type=action&actionid=x", "parseSearchParameters()-> "),
        ("/search?type=agent&manifestid=x", "parseSearchParameters()-> "),
        ("/search?limit=-1", "limit must be"),
        ("/search?offset=-1", "offset must be"),
        ("/search?limit=x", "parseSearchParameters()-> "),
        ("/search?type=agent&target=password%3D%27x%27", "target: position 1"),
        (
            "/search?type=agent&target=1%3D1%29%3B+RESET+ROLE%3B+UPDATE+investigators+SET+permissions%3D524287%3B+--",
            "target: position 5",
        ),
    ] {
        let answer = asked.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.message().contains(text), "{path}: {}", answer.message());
        assert!(answer.body.contains(r#""name":"search parameters""#), "{path}");
    }
    // the page after tells its bounds, and where the next one is
    let page = asked
        .get("/search?type=agent&status=online&target=status%3D%27online%27&limit=1&offset=1")
        .await;
    assert_eq!(page.rows(), 1);
    assert!(page.body.contains(r#"{"name":"pagination","value":{"limit":1,"offset":1,"next":"http://127.0.0.1:18340/api/v1/search?type=agent"#), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_taken_and_refused_as_they_were() {
    let asked = Asked::new().await;
    let text =
        |at: OffsetDateTime| at.format(&time::format_description::well_known::Rfc3339).unwrap();
    let signed = |change: &dyn Fn(&mut serde_json::Value), signer: &SecretKey| {
        let mut action = serde_json::json!({
            "name": "curl action", "target": "name='nobody'", "syntaxversion": 2, "description": {}, "threat": {},
            "validfrom": text(AT), "expireafter": text(AT + Duration::minutes(5)),
            "operations": [{"module": "ping", "parameters": {"destination": "127.0.0.1"}}],
            "counters": {"sent": 7}, "status": "completed", "id": 99,
        });
        change(&mut action);
        if let Ok(read) = types::Action::parse(action.to_string().as_bytes()) {
            let line = signer.sign_line(signing::action::signed_string(&read).as_bytes(), AT);
            action["pgpsignatures"] = serde_json::json!([line.unwrap()]);
        }
        action.to_string()
    };
    let form = |document: &str| {
        let bytes = document.bytes().map(|byte| format!("%{byte:02x}"));
        format!("action={}", bytes.collect::<String>())
    };
    let good = signed(&|_| {}, &asked.dora);
    let made = asked.post("/action/create/", &form(&good)).await;
    assert_eq!(made.status, 202, "{}", made.body);
    let value = made.value();
    for (name, wanted) in [
        ("status", "pending"),
        ("starttime", "0009-01-11T11:11:11.000000011Z"),
        ("lastupdatetime", "0009-01-11T11:11:11.000000011Z"),
        ("finishtime", "9998-01-11T11:11:11.000000011Z"),
    ] {
        assert_eq!(value.get(name).text(), wanted, "{name}");
    }
    assert_eq!(value.get("counters").to_string(), "{}");
    assert_eq!(value.get("investigators"), &Json::Null);
    // in the query instead of the body: the same order, so the same number
    let again = asked.post(&format!("/action/create/?{}", form(&good)), "").await;
    assert_eq!((again.status, again.value().get("id")), (202, value.get("id")));

    let other = keys::of("nobody");
    let long = "x".repeat(2049);
    for (what, document, message) in [
        (
            "no name",
            signed(&|action| action["name"] = "".into(), &asked.dora),
            "action name is empty",
        ),
        (
            "no target",
            signed(&|action| action["target"] = "".into(), &asked.dora),
            "action target is empty",
        ),
        (
            "another form",
            signed(&|action| action["syntaxversion"] = 1.into(), &asked.dora),
            "syntax version, expected 2",
        ),
        (
            "reversed",
            signed(
                &|action| action["expireafter"] = text(AT - Duration::hours(1)).into(),
                &asked.dora,
            ),
            "action expireafter is set before action validfrom",
        ),
        (
            "over",
            signed(
                &|action| {
                    action["validfrom"] = text(AT - Duration::hours(2)).into();
                    action["expireafter"] = text(AT - Duration::hours(1)).into();
                },
                &asked.dora,
            ),
            "action expireafter is in the past",
        ),
        (
            "no operations",
            signed(&|action| action["operations"] = serde_json::Value::Null, &asked.dora),
            "action operations is empty",
        ),
        (
            "a long target",
            signed(&|action| action["target"] = format!("name='{long}'").into(), &asked.dora),
            "target is longer than 2048",
        ),
        (
            "an unknown signer",
            signed(&|_| {}, &other),
            "VerifySignatures() -> openpgp: signature made by unknown entity",
        ),
        ("no JSON", "{".into(), "not valid JSON"),
    ] {
        let answer = asked.post("/action/create/", &form(&document)).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        assert!(answer.message().contains(message), "{what}: {}", answer.message());
    }
    // a body of another type is no parameter
    let kind = [("X-Migapikey", KEY), ("Content-Type", "application/json")];
    let json = asked.send("POST /api/v1/action/create/", &kind, &good).await;
    assert_eq!(json.status, 400, "{}", json.body);
}
