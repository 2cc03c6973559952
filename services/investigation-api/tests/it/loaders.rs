//! What loader-manifest tells of loaders and manifests is kept, and asked for while some of it is missing.

use crate::support::Process;
use serde_json::Value;
use std::collections::BTreeMap;
use types::messages::{LoaderChanged, LoaderDigest, ManifestChanged, ReplicaRequested};
use types::{Environment, InvestigatorId, LoaderId, ManifestId, ManifestStatus};

fn loader(process: &Process, name: &str, version: i64) -> LoaderChanged {
    LoaderChanged {
        id: LoaderId(7),
        name: name.into(),
        agent_name: (version > 1).then(|| "web-1".into()),
        queueloc: None,
        environment: Environment::default(),
        tags: BTreeMap::new(),
        enabled: version > 1,
        expect: "env->>'os'='linux'".into(),
        last_seen: process.now,
        version,
    }
}

fn manifest(process: &Process, status: ManifestStatus, version: i64) -> ManifestChanged {
    ManifestChanged {
        id: ManifestId(3),
        name: "agents".into(),
        target: "env->>'os'='linux'".into(),
        status,
        created: process.now,
        signers: vec![InvestigatorId(1)],
        version,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_version_counts() {
    let process = Process::new().await;
    process.publish(loader(&process, "second", 2)).await;
    process.publish(loader(&process, "first", 1)).await;
    process.publish(manifest(&process, ManifestStatus::Active, 5)).await;
    process.publish(manifest(&process, ManifestStatus::Staged, 4)).await;
    let marker = LoaderChanged { id: LoaderId(8), ..loader(&process, "marker", 1) };
    process.publish(marker).await;
    // one queue, so what was told before is in place
    let page = "/api/v1/search?type=loader&loadername=marker";
    process.until(page, |answer| answer["collection"]["error"]["message"] == Value::Null).await;
    let (_, answer) = process.get("/api/v1/search?type=loader&loaderid=7").await;
    let kept = &answer["collection"]["items"][0]["data"][0]["value"];
    assert_eq!(
        (kept["name"].as_str(), kept["agentname"].as_str()),
        (Some("second"), Some("web-1"))
    );
    assert_eq!((kept["enabled"].as_bool(), kept["expectenv"].as_str()), (Some(true), Some("")));
    let (_, answer) = process.get("/api/v1/search?type=manifest").await;
    let kept = &answer["collection"]["items"][0]["data"][0]["value"];
    assert_eq!((kept["id"].as_i64(), kept["status"].as_str()), (Some(3), Some("active")));
    process.publish(loader(&process, "third", 3)).await;
    let page = "/api/v1/search?type=loader&loaderid=7&loadername=third";
    process.until(page, |answer| answer["collection"]["error"]["message"] == Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_lacks_something_asks_until_it_has_it() {
    let mut process = Process::new().await;
    // agents are asked for while there are none
    let asked = async |process: &mut Process| loop {
        let request = process.tap.next::<ReplicaRequested>().await.data;
        assert_eq!(request.by, "investigation-api");
        if request.of != "agent" {
            return request.of;
        }
    };
    // the copies were begun when two loaders and one manifest had been told of, and have some already
    process.publish(loader(&process, "khan", 2)).await;
    let digest = LoaderDigest { loaders: 3, manifests: 1 };
    process.publish(digest.clone()).await;
    assert_eq!(asked(&mut process).await, "loader");
    assert_eq!(asked(&mut process).await, "manifest");
    let second = LoaderChanged { id: LoaderId(1), ..loader(&process, "kirk", 1) };
    process.publish(second).await;
    process.publish(manifest(&process, ManifestStatus::Staged, 1)).await;
    process.publish(digest.clone()).await;
    assert_eq!(asked(&mut process).await, "loader", "one is still missing");
    let third = LoaderChanged { id: LoaderId(2), ..loader(&process, "spock", 1) };
    process.publish(third).await;
    process.publish(digest).await;
    // what comes next is about what comes next: nothing was asked for between
    process.publish(LoaderDigest { loaders: 3, manifests: 2 }).await;
    assert_eq!(asked(&mut process).await, "manifest");
}
