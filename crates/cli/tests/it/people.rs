//! Investigators and the audit.

use crate::support::documents::json_of;
use crate::support::{Answer, Server, Writ, install, script};
use serde_json::json;

fn investigator(name: &str, value: &serde_json::Value) -> Answer {
    let mut document = json!({"id": 5, "name": "Eve", "pgpfingerprint": "", "status": "active",
        "createdat": "2026-11-21T12:00:00Z", "lastmodified": "2026-11-21T12:00:00Z",
        "permissions": {"search": true, "agent": true}});
    document.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    json_of(
        200,
        &json!({"collection": {"version": "1.0", "href": "/", "template": {}, "error": {},
            "items": [{"href": "/", "data": [{"name": name, "value": document}]},
                {"href": "/", "data": [{"name": "search parameters", "value": {}}]}]}}),
    )
}

#[test]
fn investigators_are_created_and_changed() {
    let server = Server::start(|request| match request.line().as_str() {
        "POST /api/v1/investigator/create/" => investigator("Investigator ID 5", &json!({})),
        "POST /api/v1/investigator/update/" => {
            investigator("Investigator ID 5", &json!({"apikey": "K".repeat(32)}))
        }
        "GET /api/v1/search" => investigator("investigator", &json!({})),
        _ => Answer::text(404, ""),
    });
    let writ = Writ::with_key(&server);
    let key = writ.write("eve.asc", "armored");
    let add = [
        "investigator",
        "add",
        "--name",
        "Eve",
        "--public-key",
        &key,
        "--permissions",
        "search,agent",
    ];
    assert_eq!(writ.run(&add).ends(0).stdout, "5\n");
    let made = server.asked("POST /api/v1/investigator/create/").remove(0);
    assert!(made.header("content-type").starts_with("multipart/form-data; boundary=writ"));
    let body = String::from_utf8(made.body).unwrap();
    assert!(
        body.contains("name=\"publickey\"; filename=\"publickey\"\r\n\r\narmored\r\n"),
        "{body}"
    );
    assert!(body.contains("\"search\":true,\"action\":false"), "{body}");

    for (args, form) in [
        (vec!["disable", "5"], "id=5&status=disabled"),
        (vec!["enable", "5"], "id=5&status=active"),
        (vec!["apikey", "5", "--remove"], "id=5&apikey=disabled"),
        (vec!["permit", "5", "--permissions", ""], "id=5&permissions=%7B%22search%22%3Afalse"),
    ] {
        writ.run(&[vec!["investigator"], args].concat()).ends(0);
        let asked = server.asked("POST /api/v1/investigator/update/").pop().unwrap();
        assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
        assert!(String::from_utf8(asked.body).unwrap().starts_with(form), "{form}");
    }
    assert_eq!(
        writ.run(&["investigator", "apikey", "5"]).ends(0).stdout,
        format!("{}\n", "K".repeat(32))
    );
    let listed = writ.run(&["investigator", "ls", "-o", "csv"]).ends(0).stdout;
    assert_eq!(listed, "id,name,status,fingerprint,permissions\n5,Eve,active,,agent search\n");
}

#[test]
fn a_refusal_of_migs_routes_is_shown_in_its_words() {
    let server = Server::start(|_| {
        json_of(
            409,
            &json!({"collection": {"version": "1.0", "href": "/", "template": {},
            "error": {"code": "1", "message": "will not remove last admin"}}}),
        )
    });
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["investigator", "disable", "1"]).ends(1);
    assert!(ran.stderr.contains("will not remove last admin"), "{}", ran.stderr);
}

#[test]
fn the_audit_is_followed_by_the_program_that_has_it() {
    let mut writ = Writ::new();
    let beside = writ.home.path().join("bin");
    std::fs::create_dir(&beside).unwrap();
    install(&std::fs::read(&writ.program).unwrap(), &beside.join("writ"));
    writ.program = beside.join("writ");
    let program = beside.join("investigation-api");
    script(&program, "[ \"$*\" = 'audit verify --noted 3:ab' ] && echo 7:cd");
    assert_eq!(writ.run(&["audit", "verify", "--noted", "3:ab"]).ends(0).stdout, "7:cd\n");
    script(&program, "echo 'the audit is broken at row 5: it was changed' >&2; exit 1");
    let ran = writ.run(&["audit", "verify"]).ends(1);
    assert!(ran.stderr.contains("broken at row 5: it was changed\nerror: "), "{}", ran.stderr);
}
