//! Begins executions.

use super::App;
use super::advance::Held;
use crate::domain::execution::{Execution, ExecutionState};
use crate::domain::machine::Failure;
use crate::domain::playbook::{Call, Playbook, Wrong};
use crate::domain::variable::{Given, Giver, NotTaken, Variables, give};
use crate::error::Error;
use crate::store::executions::{ExecutionRow, execution_insert, executions_under};
use crate::store::playbooks::{PlaybookRow, document_insert, playbook_get};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Conn;
use time::OffsetDateTime;
use uuid::Uuid;

/// Says how many playbooks may call each other.
const MAX_NESTING: i32 = 8;

/// Says how many executions one may lead to, by playbooks that call others; a few more where some begin at once.
const MAX_BEGUN: i64 = 1_000;

/// Says what is to be run.
pub(crate) enum What {
    /// A playbook that came with the request, with its text.
    This(Box<Playbook>, String),
    /// The newest version of a stored one, or the one that was modified then.
    Stored(String, Option<OffsetDateTime>),
}

/// Is an execution that began.
#[derive(Debug, Clone)]
pub(crate) struct Triggered {
    pub(crate) execution: Uuid,
    pub(crate) playbook: String,
}

impl App {
    /// Begins an execution; it is durable, and its first steps were taken, when this answers.
    pub(crate) async fn trigger_playbook(
        &self,
        what: What,
        given: BTreeMap<String, Given>,
        by: Option<i64>,
    ) -> Result<Triggered, Error> {
        let now = self.clock.now();
        let triggered = self
            .store
            .tx(async |conn| -> Result<Triggered, Error> {
                let (playbook, digest) = self.found(conn, &what).await?;
                playbook
                    .may_run(now)
                    .map_err(|detail| Error::invalid("playbook-not-valid", "", detail))?;
                let variables = give(&playbook.variables, &given, Giver::Caller, &playbook.id)
                    .map_err(refused)?;
                let row = new_row(&playbook, digest, &variables, by, now);
                let triggered = Triggered { execution: row.id, playbook: playbook.id.clone() };
                execution_insert(conn, &row).await?;
                let held = Held::new(row, Execution::new(triggered.execution, variables), playbook);
                self.advance(conn, held, now, |machine| {
                    machine.start();
                })
                .await?;
                Ok(triggered)
            })
            .await?;
        self.bus.wake();
        self.steps.notify_one();
        tracing::info!(execution.id = %triggered.execution, playbook.id = triggered.playbook, "a playbook began");
        Ok(triggered)
    }

    async fn found(&self, conn: &mut Conn, what: &What) -> Result<(Arc<Playbook>, Vec<u8>), Error> {
        match what {
            What::This(playbook, document) => {
                let digest = Sha256::digest(document).to_vec();
                document_insert(conn, &digest, document).await?;
                Ok((Arc::new(playbook.as_ref().clone()), digest))
            }
            What::Stored(id, version) => {
                let row =
                    playbook_get(conn, id, *version).await?.ok_or_else(|| unknown(id, *version))?;
                Ok((self.playbook(conn, &row.digest).await?, row.digest))
            }
        }
    }

    /// Begins the execution of a playbook that another one calls; its first look takes its first steps. What is wrong
    /// is the calling step's failure.
    pub(super) async fn child(
        &self,
        conn: &mut Conn,
        (parent, step): (&ExecutionRow, Uuid),
        call: &Call,
        given: Variables,
        now: OffsetDateTime,
    ) -> Result<Result<(), Failure>, Error> {
        if parent.depth >= MAX_NESTING {
            let detail =
                format!("playbooks call each other {MAX_NESTING} deep, which is the limit");
            return Ok(Err(Failure::new(detail)));
        }
        let root = parent.root.unwrap_or(parent.id);
        if executions_under(conn, root, MAX_BEGUN).await? >= MAX_BEGUN {
            let detail = format!(
                "the execution {root} led to {MAX_BEGUN} others, by playbooks that call playbooks, which is the limit"
            );
            return Ok(Err(Failure::new(detail)));
        }
        let found: Option<PlaybookRow> = playbook_get(conn, &call.playbook, call.version).await?;
        let Some(found) = found else {
            return Ok(Err(Failure::new(unknown(&call.playbook, call.version).to_string())));
        };
        let playbook = match self.playbook(conn, &found.digest).await {
            Err(Error::Invalid { detail, .. }) => return Ok(Err(Failure::new(detail))),
            playbook => playbook?,
        };
        let given = given.into_iter().map(|(name, variable)| {
            let kind = Some(variable.kind.name().to_owned());
            (name, Given { kind, value: variable.value().to_owned() })
        });
        let variables =
            match give(&playbook.variables, &given.collect(), Giver::Playbook, &playbook.id) {
                Ok(variables) => variables,
                Err(not) => return Ok(Err(Failure::new(not.detail))),
            };
        if let Err(detail) = playbook.may_run(now) {
            return Ok(Err(Failure::new(detail)));
        }
        let mut row = new_row(&playbook, found.digest, &variables, parent.started_by, now);
        row.parent_step = Some(step);
        row.depth = parent.depth + 1;
        row.root = Some(root);
        execution_insert(conn, &row).await?;
        Ok(Ok(()))
    }
}

fn new_row(
    playbook: &Playbook,
    digest: Vec<u8>,
    variables: &Variables,
    by: Option<i64>,
    now: OffsetDateTime,
) -> ExecutionRow {
    ExecutionRow {
        id: Uuid::now_v7(),
        playbook_id: playbook.id.clone(),
        name: playbook.name.clone(),
        description: playbook.description.clone(),
        digest,
        state: ExecutionState::Running.name().into(),
        variables: json!(variables),
        runs: json!({}),
        exception: false,
        handled: false,
        reason: None,
        parent_step: None,
        depth: 0,
        root: None,
        started: now,
        ended: None,
        started_by: by,
    }
}

/// Says that there is no such playbook.
pub(super) fn unknown(id: &str, version: Option<OffsetDateTime>) -> Error {
    Error::NotFound(match version {
        Some(version) => format!("there is no playbook {id} that was modified at {version}"),
        None => format!("there is no playbook {id}"),
    })
}

fn refused(not: NotTaken) -> Error {
    let name = not.name.replace('~', "~0").replace('/', "~1");
    let part = if not.part.is_empty() { String::new() } else { format!("/{}", not.part) };
    Error::invalid("variable-refused", format!("/variables/{name}{part}"), not.detail)
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Malformed(detail) => Self::Malformed(detail),
            Wrong::Faults(faults) => {
                let first =
                    faults.first().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
                let detail = format!("the playbook is not valid: {}", first.unwrap_or_default());
                Self::Invalid { code: "playbook-invalid", detail, faults }
            }
        }
    }
}
