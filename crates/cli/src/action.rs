//! Makes the signed document of an action.

use crate::exit::{Because, Failure};
use crate::keys::Signer;
use serde_json::{Value, json};
use signing::action::signed_string;
use std::path::Path;
use time::{Duration, OffsetDateTime};
use types::action::MAX_DOCUMENT;
use types::{Action, Dispatch, Operation};

/// Says how much earlier than now an action becomes valid, as MIG's clients do: agents' clocks differ.
const BEFORE: Duration = Duration::seconds(60);

/// Says how large parameters read from a file may be.
const MAX_PARAMETERS: u64 = 900 * 1024;

/// Reads what an action starts from: MIG's JSON, without its times and signatures.
pub fn template(document: &[u8]) -> Result<Action, Failure> {
    let action = Action::parse(document).because(|| "the file is not an action".into())?;
    Ok(Action { pgpsignatures: None, syntaxversion: 2, ..action })
}

/// Reads an operation: `module`, `module=JSON` or `module=@FILE`.
pub fn operation(text: &str) -> Result<Operation, Failure> {
    let (module, parameters) = text.split_once('=').unwrap_or((text, "{}"));
    if module.is_empty() {
        return Err(Failure::new(format!("'{text}' names no module"))
            .next("--op MODULE=JSON or --op MODULE=@FILE"));
    }
    let bytes = match parameters.strip_prefix('@') {
        Some(path) => crate::config::read(Path::new(path), MAX_PARAMETERS)?,
        None => parameters.as_bytes().to_vec(),
    };
    let parameters = types::go_json::parse(&bytes)
        .because(|| format!("the parameters of {module} are not JSON"))
        .map_err(|failure| {
            failure.next("quote them for the shell: --op 'module={\"name\":\"value\"}'")
        })?;
    Ok(Operation {
        module: module.into(),
        parameters,
        is_compressed: false,
        want_compressed: false,
    })
}

/// Sets the times: valid from a minute ago until `expire` from now, in whole seconds.
pub fn timed(action: Action, now: OffsetDateTime, expire: Duration) -> Action {
    let now = now.replace_nanosecond(0).unwrap_or(now);
    Action { validfrom: now - BEFORE, expireafter: now + expire, ..action }
}

/// Signs an action and gives the document to post.
pub async fn sign(
    action: &Action,
    signer: &Signer,
    now: OffsetDateTime,
) -> Result<Vec<u8>, Failure> {
    // what is signed is what the server and the agents will read, not what we meant to write
    let read =
        Action::parse(&document(action)?).because(|| "the action does not read back".into())?;
    let signature = signer.sign_line(signed_string(&read).as_bytes(), now).await?;
    let signed = Action { pgpsignatures: Some(vec![signature]), ..read };
    signed.check(now).because(|| "the action is not valid".into())?;
    document(&signed)
}

/// Puts beside the members of a signed document how its commands are to be given out; what is signed stays as it is.
pub fn put_dispatch(document: &mut Vec<u8>, dispatch: &Dispatch) -> Result<(), Failure> {
    let dispatch =
        serde_json::to_string(dispatch).because(|| "cannot write the dispatch as JSON".into())?;
    let _brace = document.pop();
    document.extend_from_slice(format!(",\"dispatch\":{dispatch}}}").as_bytes());
    Ok(())
}

fn document(action: &Action) -> Result<Vec<u8>, Failure> {
    let what = || "cannot write the action as JSON".to_owned();
    let mut value = serde_json::to_value(action).because(what)?;
    if let Value::Object(members) = &mut value {
        // what the server makes is not ours to say
        for name in ["id", "starttime", "finishtime", "lastupdatetime", "counters"] {
            members.remove(name);
        }
        members.insert("syntaxversion".into(), json!(2));
    }
    let document = serde_json::to_vec(&value).because(what)?;
    if document.len() > MAX_DOCUMENT {
        return Err(Failure::new("the action is too large")
            .why(format!("it has {} bytes, {MAX_DOCUMENT} are the most", document.len())));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use signing::key::SecretKey;
    use signing::{KeySet, Policy};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00.123456 UTC);

    #[test]
    fn an_operation_is_a_module_and_its_parameters() {
        assert_eq!(operation("ping").unwrap().parameters, json!({}));
        assert_eq!(operation("file={\"a\":\"b=c\"}").unwrap().parameters, json!({"a": "b=c"}));
        assert_eq!(operation("file={\"a\":\"b=c\"}").unwrap().module, "file");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "[1,2]").unwrap();
        let text = format!("x=@{}", file.path().display());
        assert_eq!(operation(&text).unwrap().parameters, json!([1, 2]));
        for wrong in ["=1", "file={", "file=", "file=@/nowhere/at/all"] {
            assert!(operation(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_template_keeps_what_people_wrote_and_nothing_else() {
        let action = template(
            br#"{"id":7,"name":"n","target":"t","description":{"author":"a"},"status":"completed",
                 "validfrom":"2020-01-01T00:00:00Z","expireafter":"2020-01-02T00:00:00Z",
                 "operations":[{"module":"m","parameters":{}}],"pgpsignatures":["x"],"syntaxversion":1}"#,
        )
        .unwrap();
        assert_eq!(action.pgpsignatures, None);
        assert_eq!((action.id.0, action.syntaxversion, action.status.as_str()), (0, 2, ""));
        assert_eq!(action.description["author"], "a");
        let timed = timed(action, NOW, Duration::minutes(5));
        assert_eq!(timed.validfrom, datetime!(2026-11-21 11:59:00 UTC));
        assert_eq!(timed.expireafter, datetime!(2026-11-21 12:05:00 UTC));
    }

    #[tokio::test]
    async fn the_document_carries_a_signature_that_verifies() {
        let key = SecretKey::generate("Ada <ada@example.net>", NOW - Duration::days(1)).unwrap();
        let keys: KeySet = [key.public().clone()].into_iter().collect();
        let operations = [r#"file={"b":1e21,"a":"<&>","n":12345678901234567890}"#, "ping=null"];
        let action = Action {
            name: "find it".into(),
            target: "name='ü'".into(),
            operations: Some(operations.map(|text| operation(text).unwrap()).into()),
            ..Action::default()
        };
        let action = timed(action, NOW, Duration::minutes(5));
        let document = sign(&action, &Signer::Software(Box::new(key)), NOW).await.unwrap();
        let read = Action::parse(&document).unwrap();
        read.check(NOW).unwrap();
        let signature = &read.pgpsignatures.clone().unwrap()[0];
        let string = signed_string(&read);
        keys.verify(signature, string.as_bytes(), NOW, &Policy::default()).unwrap();
        assert!(keys.verify(signature, b"another", NOW, &Policy::default()).is_err());
        let members: Value = serde_json::from_slice(&document).unwrap();
        insta::assert_snapshot!(
            members.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" "),
            @"description expireafter name operations pgpsignatures syntaxversion target threat validfrom"
        );
    }

    #[tokio::test]
    async fn what_the_server_would_refuse_is_not_sent() {
        let key = Signer::Software(Box::new(SecretKey::generate("a", NOW).unwrap()));
        let action = Action { name: "n".into(), target: "t".into(), ..Action::default() };
        let action = timed(action, NOW, Duration::minutes(5));
        let failure = sign(&action, &key, NOW).await.unwrap_err();
        assert_eq!(failure.why, ["action operations is empty"]);
        let parameters = Value::String("x".repeat(MAX_DOCUMENT));
        let big = Operation { parameters, ..operation("m").unwrap() };
        let failure = sign(&Action { operations: Some(vec![big]), ..action }, &key, NOW).await;
        assert_eq!(failure.unwrap_err().what, "the action is too large");
    }
}
