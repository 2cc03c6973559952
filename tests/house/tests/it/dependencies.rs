//! Who may stand on whom: only downward, services never on each other, agent and `writ` on the shared words alone.

use serde_json::Value;
use std::process::Command;

/// Lists who may use whom; a crate that is not here needs a decision record first.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("target", &["types"]),
    ("signing", &["types"]),
    ("store", &["types"]),
    ("messaging", &["types", "store"]),
    ("auth", &["types", "signing", "store", "messaging"]),
    ("fleet", &["types", "target", "store", "messaging", "auth"]),
    ("telemetry", &[]),
    ("web", &["types", "signing", "store", "messaging", "auth", "telemetry"]),
    ("service", &["types", "signing", "store", "messaging", "auth", "telemetry", "web"]),
    ("agent", &["types", "signing"]),
    ("cli", &["types", "signing"]),
    ("testkit", &["types", "signing", "store", "messaging", "auth", "web", "telemetry", "service"]),
    ("all-in-one", &["service", SERVICE]),
    ("house", &[]),
    ("compat", &[]),
];

/// Stands for any of the five services.
const SERVICE: &str = "a service";

/// Lists what a service may stand on.
const BELOW_SERVICES: &[&str] = &[
    "types",
    "target",
    "signing",
    "store",
    "messaging",
    "auth",
    "fleet",
    "telemetry",
    "web",
    "service",
];

const SERVICES: &[&str] =
    &["agent-gateway", "investigation-api", "loader-manifest", "manual-interaction", "scheduler"];

fn allowed(package: &str, dependency: &str) -> bool {
    let below = if SERVICES.contains(&package) {
        BELOW_SERVICES
    } else {
        let row = ALLOWED.iter().find(|(name, _)| *name == package);
        row.unwrap_or_else(|| panic!("{package} is not in the table of crates")).1
    };
    below.contains(&dependency) || SERVICES.contains(&dependency) && below.contains(&SERVICE)
}

#[test]
fn dependencies_lead_downward() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
            manifest,
        ])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let ours: Vec<_> = packages.iter().map(name).collect();
    let mut seen = 0;
    for package in packages {
        let used = package["dependencies"].as_array().unwrap().iter();
        // tests may use what they like, as long as cargo finds an order
        for used in used.filter(|used| used["kind"] != "dev").map(name) {
            if ours.contains(&used) {
                let package = name(package);
                assert!(allowed(&package, &used), "{package} must not depend on {used}");
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "only {seen} dependencies were seen");
}

#[test]
fn the_table_refuses_what_leads_upward() {
    for (package, dependency) in
        [("types", "store"), ("store", "messaging"), ("scheduler", "agent-gateway"), ("cli", "web")]
    {
        assert!(!allowed(package, dependency), "{package} on {dependency}");
    }
    assert!(allowed("all-in-one", "scheduler") && allowed("scheduler", "fleet"));
}
