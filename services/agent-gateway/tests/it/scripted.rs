//! An agent that behaves as the unmodified ones do (specs/runbook/backend.md): a new connection for each request, no
//! second try, and the end at any surprise.

use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::api::device::GRANT_TYPE;

/// Is the end of an agent, with its reason.
pub(crate) type Exit = String;

/// Sends one request as `requests` does and gives the status and the body.
pub(crate) async fn exchange(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&str>,
) -> Result<(u16, String), Exit> {
    let proof = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let kind = "Content-Type: application/json\r\n";
    let length = body.map(|body| format!("Content-Length: {}\r\n", body.len())).unwrap_or_default();
    let (first, second) =
        if path.contains("/oauth/") { (length.as_str(), kind) } else { (kind, length.as_str()) };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: python-requests/2.34.2\r\n\
         Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\
         {proof}{first}{second}\r\n{}",
        body.unwrap_or_default()
    );
    raw(server, request.as_bytes()).await
}

/// Sends bytes on a connection of their own and reads one answer.
pub(crate) async fn raw(server: SocketAddr, request: &[u8]) -> Result<(u16, String), Exit> {
    let gone = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut line = TcpStream::connect(server).await.map_err(|error| gone("connect", error))?;
    line.write_all(request).await.map_err(|error| gone("send", error))?;
    let mut answer = Vec::new();
    loop {
        if let Some((status, body)) = complete(&answer)? {
            return Ok((status, body));
        }
        let mut part = vec![0; 65_536];
        let count = line.read(&mut part).await.map_err(|error| gone("receive", error))?;
        if count == 0 {
            return Err(format!("cut off: {}", String::from_utf8_lossy(&answer)));
        }
        answer.extend_from_slice(&part[..count]);
    }
}

fn complete(answer: &[u8]) -> Result<Option<(u16, String)>, Exit> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.ok_or_else(|| format!("no length: {head}"))?.trim().parse().unwrap();
    let body = &answer[end + 4..];
    if body.len() < length {
        return Ok(None);
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Some((status, String::from_utf8(body[..length].to_vec()).unwrap())))
}

/// Says which of the published agents it is (specs/runbook/backend.md §0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 0.1.0: takes 200 and nothing else, and never reports.
    First,
    /// 0.1.1: takes 201 too, and reports.
    Released,
    /// The branch `staging`: drops plugins and tasks by the clock that leave the list.
    Staging {
        /// Fetches every plugin anew with each sync.
        force_redownload: bool,
    },
}

/// Is an agent: what it has on its disk outlives it.
pub(crate) struct Scripted {
    pub(crate) server: SocketAddr,
    version: Version,
    /// On the disk.
    pub(crate) token: Option<String>,
    /// On the disk: the code that it was given last, redeemed or not.
    pub(crate) code: Option<Value>,
    /// On the disk: the plugins that it ever fetched.
    stored: BTreeMap<String, Value>,
    loaded: BTreeMap<String, Value>,
    /// The tasks by the clock that it has in its schedule.
    pub(crate) scheduled: BTreeMap<String, Value>,
    /// How often each task ran.
    pub(crate) ran: BTreeMap<String, usize>,
    /// How many plugins it fetched.
    pub(crate) fetched: usize,
    /// How many codes it asked for.
    pub(crate) codes: usize,
    /// Results that the server did not take.
    pub(crate) lost: usize,
}

impl Scripted {
    pub(crate) fn new(server: SocketAddr, token: Option<&str>) -> Self {
        Self::of(Version::Released, server, token)
    }

    pub(crate) fn of(version: Version, server: SocketAddr, token: Option<&str>) -> Self {
        Self {
            server,
            version,
            token: token.map(Into::into),
            code: None,
            stored: BTreeMap::new(),
            loaded: BTreeMap::new(),
            scheduled: BTreeMap::new(),
            ran: BTreeMap::new(),
            fetched: 0,
            codes: 0,
            lost: 0,
        }
    }

    /// Ends the process and begins another one, with the same disk.
    pub(crate) fn restart(&mut self) {
        self.loaded.clear();
        self.scheduled.clear();
    }

    /// Does what the agent does at its start, up to the moment at which it sleeps for the first time or has its token:
    /// it goes on with the code that it has, and asks for another one at once when that is dead.
    pub(crate) async fn start(&mut self) -> Result<Poll, Exit> {
        if self.token.is_some() {
            return Ok(Poll::Done);
        }
        for _ in 0..2 {
            let code = match self.code.clone() {
                Some(code) => code,
                None => self.request_code().await?,
            };
            self.code = Some(code.clone());
            match self.poll(&code).await? {
                Poll::Expired => self.code = None,
                other => return Ok(other),
            }
        }
        Err("asks for one code after the other, without end".into())
    }

    /// Asks for a code, as an agent without a token does at its start.
    pub(crate) async fn request_code(&mut self) -> Result<Value, Exit> {
        self.codes += 1;
        let body = json!({"client_id": "66666666-6666-4666-8666-666666666666", "grant_type": GRANT_TYPE, "scope": ""});
        let (status, text) =
            exchange(self.server, "POST", "/oauth/device/code", None, Some(&body.to_string()))
                .await?;
        if status >= 400 {
            return Err(format!("device code: {status} {text}"));
        }
        let code: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        for member in ["device_code", "user_code", "verification_uri"] {
            code[member].as_str().ok_or_else(|| format!("KeyError: {member}"))?;
        }
        code["expires_in"].as_f64().ok_or("TypeError: expires_in")?;
        Ok(code)
    }

    /// Polls once; gives whether it has its token now, and whether it has to ask for a new code.
    pub(crate) async fn poll(&mut self, code: &Value) -> Result<Poll, Exit> {
        let body = json!({"client_id": "66666666-6666-4666-8666-666666666666", "grant_type": GRANT_TYPE, "device_code": code["device_code"]});
        let (status, text) =
            exchange(self.server, "POST", "/oauth/token", None, Some(&body.to_string())).await?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match status {
            200 => {
                let token = answer["access_token"].as_str().ok_or("KeyError: access_token")?;
                self.token = Some(token.into());
                Ok(Poll::Done)
            }
            400 => {
                let error = answer["error"].as_str().ok_or("TypeError: error")?;
                if error.contains("authorization_pending") {
                    Ok(Poll::Pending)
                } else if error.contains("expired_token") {
                    Ok(Poll::Expired)
                } else {
                    Err(format!("token: {error}"))
                }
            }
            other => Err(format!("token: {other} {text}")),
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Exit> {
        let (status, text) =
            exchange(self.server, "GET", path, self.token.as_deref(), None).await?;
        let fine = status == 200 || status == 201 && self.version != Version::First;
        if !fine {
            return Err(format!("GET {path}: {status} {text}"));
        }
        let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match answer.get("data") {
            None | Some(Value::Null) => Err(format!("GET {path}: no data in {text}")),
            Some(data) => Ok(data.clone()),
        }
    }

    /// Does what the agent does each minute, and runs what it is given; tasks by the clock tick once in each sync.
    pub(crate) async fn sync(&mut self) -> Result<(), Exit> {
        let listed = self.look().await?;
        self.load(&listed).await?;
        self.work().await
    }

    /// Asks which plugins it should have: the first third of a sync.
    pub(crate) async fn look(&mut self) -> Result<BTreeSet<String>, Exit> {
        let oneself = self.get("/api/agent").await?;
        let plugins = oneself["plugins"].as_array().into_iter().flatten();
        plugins
            .map(|id| id.as_str().map(Into::into).ok_or("a plugin id that is no text".into()))
            .collect()
    }

    /// Loads what it should have, from its disk if it can: the second third of a sync.
    pub(crate) async fn load(&mut self, listed: &BTreeSet<String>) -> Result<(), Exit> {
        let staging = matches!(self.version, Version::Staging { .. });
        let gone = |id: &String| !listed.contains(id);
        if !staging && self.loaded.keys().any(gone) {
            return Err("RuntimeError: dictionary changed size during iteration".into());
        }
        self.loaded.retain(|id, _| listed.contains(id));
        if self.version == (Version::Staging { force_redownload: true }) {
            self.loaded.clear();
            self.stored.clear();
        }
        for id in listed {
            if self.loaded.contains_key(id) {
                continue;
            }
            let plugin = match self.stored.get(id) {
                Some(plugin) => plugin.clone(),
                None => self.fetch(id).await?,
            };
            self.loaded.insert(id.clone(), plugin);
        }
        Ok(())
    }

    async fn fetch(&mut self, id: &str) -> Result<Value, Exit> {
        let plugin = self.get(&format!("/api/agent/plugin/{id}")).await?;
        check_plugin(id, &plugin)?;
        self.fetched += 1;
        self.stored.insert(id.into(), plugin.clone());
        Ok(plugin)
    }

    /// Asks for its tasks and runs them: the last third of a sync.
    pub(crate) async fn work(&mut self) -> Result<(), Exit> {
        let tasks = self.get("/api/agent/tasks").await?;
        let (mut queue, mut listed) = (Vec::new(), BTreeSet::new());
        for task in tasks.as_array().ok_or("TypeError: tasks")? {
            let id = task["id"].as_str().ok_or("KeyError: id")?.to_owned();
            if task["cron"].is_null() {
                queue.push((id, task.clone()));
            } else {
                let cron = task["cron"].as_str().ok_or("TypeError: cron")?;
                if cron.is_empty() {
                    return Err("the schedule is dead".into());
                }
                listed.insert(id.clone());
                // what is scheduled stays as it is
                self.scheduled.entry(id).or_insert_with(|| task.clone());
            }
        }
        if matches!(self.version, Version::Staging { .. }) {
            self.scheduled.retain(|id, _| listed.contains(id));
        }
        queue.extend(self.scheduled.clone());
        for (id, task) in queue {
            self.run(&id, &task).await?;
        }
        Ok(())
    }

    async fn run(&mut self, id: &str, task: &Value) -> Result<(), Exit> {
        let key = task["command"].as_str().ok_or("KeyError: command")?;
        let function =
            self.loaded.values().find_map(|plugin| plugin["commands"][key]["function"].as_str());
        let function =
            function.ok_or_else(|| format!("tried to call {key} when it wasn't loaded"))?;
        let arguments = task["arguments"].as_str().ok_or("TypeError: arguments")?;
        let arguments: Value =
            serde_json::from_str(arguments).map_err(|error| error.to_string())?;
        let arguments = arguments.as_object().ok_or("arguments must be a mapping")?;
        for own in ["self", "task", "commandName"] {
            if arguments.contains_key(own) {
                return Err(format!("TypeError: got multiple values for argument '{own}'"));
            }
        }
        let result = match function {
            "double" => {
                json!({"in": arguments["number"], "out": arguments["number"].as_i64().unwrap() * 2})
            }
            "echo" => arguments["value"].clone(),
            "boom" => return Ok(()),
            _ => Value::Null,
        };
        *self.ran.entry(id.into()).or_default() += 1;
        if self.version == Version::First {
            return Ok(());
        }
        self.report(id, &result).await
    }

    /// Sends a result; one that is not taken is lost, and the agent lives on.
    pub(crate) async fn report(&mut self, id: &str, result: &Value) -> Result<(), Exit> {
        let body = json!({ "data": result }).to_string();
        let path = format!("/api/agent/task/{id}");
        let answer = exchange(self.server, "POST", &path, self.token.as_deref(), Some(&body)).await;
        let taken =
            matches!(&answer, Ok((200 | 201, text)) if serde_json::from_str::<Value>(text).is_ok());
        if !taken {
            self.lost += 1;
        }
        Ok(())
    }
}

/// Says what a poll for the token came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    Pending,
    Expired,
    Done,
}

fn check_plugin(id: &str, plugin: &Value) -> Result<(), Exit> {
    if plugin["id"] != id {
        return Err(format!("FileNotFoundError: {}", plugin["id"]));
    }
    let script = plugin["script"].as_str().ok_or("TypeError: script")?;
    if plugin["hash"] != hex::encode(Sha512::digest(script)) {
        return Err("the plugin does not match its hash".into());
    }
    for command in plugin["commands"].as_object().ok_or("AttributeError: commands")?.values() {
        command["function"].as_str().ok_or("KeyError: function")?;
    }
    Ok(())
}

/// Waits a moment, as an agent does between syncs; ten thousand times as fast.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(6)).await;
}
