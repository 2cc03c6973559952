//! MIG's own clients, request by request (specs/mig/clients.md §2–§5), against investigation-api and the scheduler; the
//! test stands for the agents and their gateway.
//!
//! Long because each client is one conversation from its first request to its last.

use crate::go::{Action, Agent, Collection, Command, Go, Investigator, Proof};
use crate::world::start;
use diesel_async::RunQueryDsl;
use investigation_api::InvestigationApi;
use scheduler::Scheduler;
use serde_json::{Value, json};
use service::Running;
use signing::{KeySet, Policy};
use testkit::{Database, PATIENCE, Tap, Vhost, keys, until};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use types::messages::command::{DeliveredCommand, ReturnedCommand};
use types::messages::{AgentChanged, CommandDelivered, CommandIssued, CommandReturned};
use types::{
    AgentId, AgentStatus, AgentUid, Clock, CommandStatus, Environment, Message, OperationResult,
    Transport,
};

const API_KEY: &str = "ConsoleConsoleConsoleConsole0123";
/// Says how many agents there are: more than one page of 37.
const AGENTS: i64 = 40;

struct House {
    api: Running<InvestigationApi>,
    scheduler: Running<Scheduler>,
    tap: Tap,
    vhost: Vhost,
    _databases: [Database; 2],
}

impl House {
    async fn new() -> Self {
        let vhost = testkit::vhost().await;
        let databases =
            [Database::new("compat", vec![]).await, Database::new("compat", vec![]).await];
        let tap = Tap::new(&vhost).await;
        let origin = ["--public-url", "https://writ.example.net"];
        let api = start(&databases[0], &vhost, origin, Clock::system()).await;
        let scheduler: Running<Scheduler> =
            start(&databases[1], &vhost, origin, Clock::system()).await;
        let house = Self { api, scheduler, tap, vhost, _databases: databases };
        house.investigator().await;
        let told = (1..=AGENTS).map(agent);
        for agent in told {
            house.publish(agent).await;
        }
        // the scheduler knows whom it may believe and whom it may ask
        let replica = &house.scheduler.parts.replica;
        until(PATIENCE, async || {
            replica.current().iter().count() == 1 && replica.is_fresh(Clock::system().now())
        })
        .await;
        let mig = house.client(Proof::ApiKey(API_KEY));
        until(PATIENCE, async || {
            let found = mig.get("search?type=agent&limit=1000000&target=true").await;
            found.is_ok_and(|found| {
                found.all::<Agent>("agent").len() == usize::try_from(AGENTS).unwrap()
            })
        })
        .await;
        let known = &house.scheduler.parts.store;
        until(PATIENCE, async || {
            let mut conn = known.get().await.unwrap();
            let count = store::sql("select 1 from agent").execute(&mut conn).await.unwrap();
            i64::try_from(count).unwrap() == AGENTS
        })
        .await;
        house
    }

    /// Puts in the first administrator, Ann, as the set-up does.
    async fn investigator(&self) {
        let key = keys::of("ann");
        let mut conn = self.api.parts.store.get().await.unwrap();
        let columns = "id, name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified, version";
        store::sql(format!(
            "with made as (insert into investigator (name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified)
                 values ('Ann', '{}', '{}', 'active', 524287, '{}', now(), now()) returning *)
             insert into auth.investigator ({columns}) select {columns} from made",
            key.public().fingerprint(),
            key.public().armored(),
            auth::api_key_hash(API_KEY),
        ))
        .execute(&mut conn)
        .await
        .unwrap();
        let parts = &self.api.parts;
        let now = parts.clock.now();
        let digest = parts.replica.refresh(&parts.store, now).await.unwrap();
        for state in parts.replica.current().iter() {
            self.publish(state.clone()).await;
        }
        self.publish(digest).await;
    }

    async fn publish<M: Message>(&self, message: M) {
        self.vhost.publish("another", Clock::system().now(), message).await;
    }

    fn client(&self, proof: Proof) -> Go {
        Go::new(self.api.url(), proof)
    }

    /// Answers the commands of the next action: those of agents with an even number find something.
    async fn run_agents(&mut self) {
        let mut answered = 0;
        while answered < AGENTS {
            let issued = self.tap.next::<CommandIssued>().await.data;
            let at = Clock::system().now();
            let delivered = issued.commands.iter().map(|command| DeliveredCommand {
                id: command.id,
                action: Some(issued.action),
                at,
            });
            self.publish(CommandDelivered { commands: delivered.collect() }).await;
            let returned = issued.commands.iter().map(|command| ReturnedCommand {
                id: command.id,
                action: issued.action,
                agent: command.agent,
                status: if command.agent.0 == 1 {
                    CommandStatus::Failed
                } else {
                    CommandStatus::Success
                },
                results: vec![OperationResult {
                    foundanything: command.agent.0 % 2 == 0,
                    success: command.agent.0 != 1,
                    elements: json!({"s1": [{"file": "/etc/passwd", "fileinfo": {"size": 1440}}]}),
                    statistics: json!({"totalhits": 1}),
                    errors: (command.agent.0 == 1).then(|| vec!["no such file".into()]),
                }],
                at,
                given_up: false,
            });
            let returned: Vec<_> = returned.collect();
            answered += i64::try_from(returned.len()).unwrap();
            self.publish(CommandReturned { commands: returned }).await;
        }
    }
}

fn agent(number: i64) -> AgentChanged {
    let now = Clock::system().now();
    AgentChanged {
        number: AgentId(number),
        id: AgentUid(uuid::Uuid::now_v7()),
        name: format!("host-{number}.example.net"),
        queueloc: format!("linux.{number}"),
        transport: Transport::Mig,
        mode: "daemon".into(),
        version: "20190913-0.9e7e4f52.dev".into(),
        pid: 1000 + number,
        status: AgentStatus::Online,
        environment: Environment {
            os: "linux".into(),
            modules: vec!["file".into()],
            ..Environment::default()
        },
        tags: [("operator".to_owned(), "opsec".to_owned())].into(),
        loader_name: String::new(),
        team: None,
        plugins: vec![],
        started: now,
        last_seen: now,
        refreshed: now,
        conflict_since: None,
        revision: 1,
    }
}

/// Writes and signs an action as `mig` does: from a minute ago, to the nanosecond.
fn signed(name: &str, target: &str) -> String {
    let from = Clock::system().now() - Duration::minutes(1) + Duration::nanoseconds(123);
    let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
    let mut action = json!({
        "id": 0, "name": name, "target": target, "description": {}, "threat": {},
        "validfrom": text(from), "expireafter": text(from + Duration::minutes(6)),
        "operations": [{"module": "file", "parameters": {"searches": {"s1": {"names": ["^passwd$"], "paths": ["/etc"]}}}}],
        "pgpsignatures": null, "starttime": "0001-01-01T00:00:00Z", "finishtime": "0001-01-01T00:00:00Z",
        "lastupdatetime": "0001-01-01T00:00:00Z", "counters": {}, "syntaxversion": 2,
    });
    let read = types::Action::parse(action.to_string().as_bytes()).unwrap();
    let string = signing::action::signed_string(&read);
    action["pgpsignatures"] =
        json!([keys::of("ann").sign_line(string.as_bytes(), Clock::system().now()).unwrap()]);
    action.to_string()
}

/// Searches page by page until nothing is found, as the clients do.
async fn pages(mig: &Go, query: &str, size: usize) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    loop {
        let offset = commands.len().div_ceil(size) * size;
        match mig.get(&format!("search?type=command&limit={size}&offset={offset}&{query}")).await {
            Ok(page) => commands.extend(page.all("command")),
            Err(error) => {
                assert!(
                    error.starts_with("HTTP 404") && error.contains("'no results found'"),
                    "{error}"
                );
                return commands;
            }
        }
    }
}

/// Does what `mig file -t … -show found` does; gives the action's number.
async fn run_mig(house: &mut House, proof: Proof, name: &str) -> f64 {
    let mig = house.client(proof);
    let agents =
        mig.get("search?type=agent&limit=1000000&target=status%3D%27online%27").await.unwrap();
    assert_eq!(agents.all::<Agent>("agent").len(), 40);
    let error =
        mig.get("search?type=agent&limit=1000000&target=name%3D%27nobody%27").await.unwrap_err();
    assert!(error.contains("no results found"), "{error}");

    let document = signed(name, "status='online'");
    let posted: Action = mig.post("action/create/", &[("action", &document)], 202).await.head();
    assert_eq!((posted.name.as_str(), posted.status.as_str()), (name, "pending"));
    let path = format!("action?actionid={:.0}", posted.id);
    let first: Action = mig.get(&path).await.unwrap().single("action");
    assert!(
        ["pending", "scheduled", "preparing", "inflight"].contains(&first.status.as_str()),
        "{first:?}"
    );
    house.run_agents().await;
    let mut last = first;
    until(PATIENCE, async || {
        last = mig.get(&path).await.unwrap().single("action");
        let (done, sent) = (last.counters.get("done"), last.counters.get("sent"));
        last.status == "completed" && done == sent && sent == Some(&40.0)
    })
    .await;
    assert_eq!((last.counters["success"], last.counters["failed"]), (39.0, 1.0));
    assert!(last.starttime.year() > 2000 && last.finishtime >= last.starttime);
    assert_eq!(
        (last.investigators[0].name.as_str(), last.target.as_str()),
        ("Ann", "status='online'")
    );

    results(&mig, posted.id).await;
    posted.id
}

/// Reads what came back as `mig` does.
async fn results(mig: &Go, id: f64) {
    let action = format!("actionid={id:.0}");
    let all = pages(mig, &action, 37).await;
    assert_eq!(all.len(), 40);
    for command in &all {
        let operation = &command.action.operations.as_ref().unwrap()[0];
        assert_eq!((operation.module.as_str(), command.action.id), ("file", id));
        assert!(command.agent.name.starts_with("host-") && command.agent.id >= 1.0);
        assert_eq!(command.results.as_ref().unwrap().len(), 1);
        assert!(command.finishtime.year() < 9000);
    }
    let found = pages(mig, &format!("{action}&foundanything=true"), 37).await;
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|command| command.results.as_ref().unwrap()[0].foundanything));
    let not = pages(mig, &format!("{action}&foundanything=false"), 37).await;
    assert_eq!(not.len(), 19, "what failed found neither");
    for (status, count) in [("cancelled", 0), ("expired", 0), ("failed", 1), ("timeout", 0)] {
        let these = pages(mig, &format!("{action}&status={status}"), 37).await;
        assert_eq!(these.len(), count, "{status}");
        for command in these {
            let result = &command.results.unwrap()[0];
            assert_eq!(result.errors.as_deref(), Some(&["no such file".to_owned()][..]));
            assert!(result.elements.is_object());
        }
    }
    // the next one is for those where something was found
    let target = format!(
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid={id:.0} and \
         r#>>'{{foundanything}}' = 'true') AND status='online'"
    );
    let target: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let again = mig.get(&format!("search?type=agent&limit=1000000&target={target}")).await.unwrap();
    assert_eq!(again.all::<Agent>("agent").len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn mig_runs_an_action_with_a_key_and_with_an_api_key() {
    let mut house = House::new().await;
    let first =
        run_mig(&mut house, Proof::Pgp(keys::of("ann")), "file -path /etc -name ^passwd$").await;
    let second =
        run_mig(&mut house, Proof::ApiKey(API_KEY), "file -path /etc -name ^shadow$").await;
    assert!(second > first);
    console(&house, first).await;
    verifier(&house, first).await;
}

/// Does what a session at the console does.
async fn console(house: &House, action: f64) {
    let console = house.client(Proof::Pgp(keys::of("ann")));
    let dashboard = console.get("dashboard").await.unwrap();
    assert_eq!(dashboard.names()[0], "online agents");
    let numbers: Vec<f64> = dashboard.all("online agents");
    assert_eq!(numbers.len(), 1);
    assert_eq!(dashboard.all::<Action>("action").len(), 2);

    let shown: Action =
        console.get(&format!("action?actionid={action:.0}")).await.unwrap().single("action");
    assert!(shown.expireafter > shown.starttime);
    assert_eq!(
        pages(&console, &format!("actionid={action:.0}&foundanything=true"), 50).await.len(),
        20
    );
    let commands = pages(&console, &format!("actionid={action:.0}"), 50).await;
    let one: Command = console
        .get(&format!("command?commandid={:.0}", commands[0].id))
        .await
        .unwrap()
        .single("command");
    assert_eq!((one.id, one.status.is_empty()), (commands[0].id, false));
    let id = commands[0].agent.id;
    let agent: Agent =
        console.get(&format!("agent?agentid={id:.0}")).await.unwrap().single("agent");
    assert_eq!((agent.status.as_str(), agent.tags["operator"].as_str()), ("online", "opsec"));
    assert!(agent.queueloc.starts_with("linux.") && agent.heartbeatts.year() > 2000);
    assert_eq!(agent.environment["os"], "linux");
    let last = console.get(&format!("search?type=command&agentid={id:.0}&limit=1")).await.unwrap();
    assert_eq!(last.all::<Command>("command").len(), 1);

    people(&console).await;
    searches(&console).await;
}

/// Creates an investigator, shows and changes it.
async fn people(console: &Go) {
    let six = r#"{"search":true,"action":true,"action_create":true,"command":true,"agent":true,"dashboard":true}"#;
    let key = keys::of("ben").public().clone();
    let made = console.create_investigator("Ben", six, &key.armored()).await;
    assert_eq!(
        (made.name.as_str(), made.pgpfingerprint.as_str()),
        ("Ben", key.fingerprint().as_str())
    );
    let path = format!("investigator?investigatorid={:.0}", made.id);
    let id = format!("{:.0}", made.id);
    let ben: Investigator = console.get(&path).await.unwrap().single("investigator");
    assert_eq!(
        (ben.status.as_str(), ben.permissions["search"], ben.createdat.year() > 2000),
        ("active", true, true)
    );
    for (field, value) in
        [("status", "disabled"), ("status", "active"), ("permissions", r#"{"search":true}"#)]
    {
        console.post("investigator/update/", &[("id", &id), (field, value)], 200).await;
    }
    let made: Investigator = console
        .post("investigator/update/", &[("id", &id), ("apikey", "active")], 200)
        .await
        .head();
    assert_eq!(made.apikey.len(), 32);
    let ben: Investigator = console.get(&path).await.unwrap().single("investigator");
    assert_eq!(
        (ben.apikey.as_str(), ben.permissions["search"], ben.permissions["action"]),
        ("set", true, false)
    );
    let history = console.get("search?type=action&investigatorid=1&limit=10").await.unwrap();
    assert_eq!(history.all::<Action>("action").len(), 2);
}

/// Searches as the console does.
async fn searches(console: &Go) {
    // a search says four and a half years to either side where no time is wanted
    let window = window();
    for (kind, wanted, rows) in [
        ("action", "status=completed", 2),
        ("agent", "agentname=host-1%25", 11),
        ("command", "status=failed", 2),
        ("investigator", "investigatorname=%25", 2),
    ] {
        let path = format!("search?type={kind}&{window}&limit=100&{wanted}");
        let found = console.get(&path).await.unwrap();
        assert_eq!(found.all::<Value>(kind).len(), rows, "{path}");
    }
    let none = console
        .get(&format!("search?type=action&{window}&limit=100&status=nosuch"))
        .await
        .unwrap_err();
    assert!(none.contains("HTTP 404"), "{none}");
}

fn window() -> String {
    let now = Clock::system().now();
    let text = |at: OffsetDateTime| {
        let text = at.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
        form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
    };
    let reach = Duration::hours(39_600);
    format!("after={}&before={}", text(now - reach), text(now + reach))
}

/// Checks an action and a command as the verifier does: from what the API showed, with the keys that it gives.
async fn verifier(house: &House, action: f64) {
    let client = house.client(Proof::ApiKey(API_KEY));
    let fingerprint = keys::of("ann").public().fingerprint();
    let url = format!("{}/api/v1/publickey/{fingerprint}", house.api.url());
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let armored = http.get(url).send().await.unwrap().text().await.unwrap();
    let keys: KeySet = [signing::PublicKey::parse(&armored).unwrap()].into_iter().collect();
    let verify = |document: &Value| {
        let action = types::Action::parse(document.to_string().as_bytes()).unwrap();
        let text = signing::action::signed_string(&action);
        for line in action.pgpsignatures.as_ref().unwrap() {
            let verified =
                keys.verify(line, text.as_bytes(), Clock::system().now(), &Policy::default());
            assert_eq!(verified.unwrap().fingerprint, fingerprint);
        }
    };
    verify(&client.get(&format!("action?actionid={action:.0}")).await.unwrap().single("action"));
    let commands: Collection =
        client.get(&format!("search?type=command&actionid={action:.0}&limit=1")).await.unwrap();
    verify(&commands.all::<Value>("command")[0]["action"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_search_and_the_generator() {
    let house = House::new().await;
    let search = house.client(Proof::Pgp(keys::of("ann")));
    let window = window();
    for (path, rows) in [
        (format!("search?type=agent&{window}&limit=100&status=online"), 40),
        // its own example of help, which the original answered with 500
        (format!("search?type=agent&{window}&limit=100&status=%25"), 40),
        ("search?type=agent&limit=1000000&target=name+LIKE+%27host-_.%25%27".to_owned(), 9),
    ] {
        let found = search.get(&path).await.unwrap().all::<Agent>("agent");
        assert_eq!(found.len(), rows, "{path}");
        let mut places: Vec<_> = found.iter().map(|agent| &agent.queueloc).collect();
        places.dedup();
        assert_eq!(places.len(), rows);
    }
    let none = search
        .get(&format!("search?type=agent&{window}&limit=100&status=offline"))
        .await
        .unwrap_err();
    assert!(none.contains("no results found"), "{none}");

    let generator = house.client(Proof::ApiKey(API_KEY));
    let document = signed("generated", "name='host-7.example.net'");
    let posted: Action =
        generator.post("action/create/", &[("action", &document)], 202).await.head();
    assert_eq!(posted.pgpsignatures.unwrap().len(), 1);
    let again: Action =
        generator.post("action/create/", &[("action", &document)], 202).await.head();
    assert_eq!(
        format!("{:.0}", again.id),
        format!("{:.0}", posted.id),
        "a retry is the same order"
    );
}
