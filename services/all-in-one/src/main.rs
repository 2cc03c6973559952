//! All services in one process behind one port: what a laptop, a small site and `scripts/up` run.
//!
//! Each service is the same as alone: own database, own role, own queues, and they speak over the broker only.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::House::new("all-in-one")
        .with::<investigation_api::InvestigationApi>()
        .with::<scheduler::Scheduler>()
        .with::<agent_gateway::AgentGateway>()
        .with::<loader_manifest::LoaderManifest>()
        .with::<manual_interaction::ManualInteraction>()
        .main()
}
