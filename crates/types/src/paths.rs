//! Which service answers which path: the one table behind the Ingress, nginx and `all-in-one`.

/// Routes a path prefix to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Matches this path itself and everything below it at a `/`; MIG's single-object routes have no slash.
    pub prefix: &'static str,
    /// The service's name.
    pub service: &'static str,
}

const fn route(prefix: &'static str, service: &'static str) -> Route {
    Route { prefix, service }
}

/// Lists every path of the public origin (design surface §3); what is not here is 404.
pub const TABLE: &[Route] = &[
    route("/api/v1/action", "investigation-api"),
    route("/api/v1/command", "investigation-api"),
    route("/api/v1/agent", "investigation-api"),
    route("/api/v1/investigator", "investigation-api"),
    route("/api/v1/search", "investigation-api"),
    route("/api/v1/dashboard", "investigation-api"),
    route("/api/v1/publickey", "investigation-api"),
    route("/v1/actions", "investigation-api"),
    route("/api/v1/heartbeat", "agent-gateway"),
    route("/api/v1/ip", "agent-gateway"),
    route("/oauth", "agent-gateway"),
    route("/api/agent", "agent-gateway"),
    route("/device", "agent-gateway"),
    route("/agent/v1", "agent-gateway"),
    route("/v1/teams", "agent-gateway"),
    route("/v1/agents", "agent-gateway"),
    route("/v1/plugins", "agent-gateway"),
    route("/v1/tasks", "agent-gateway"),
    route("/v1/device-codes", "agent-gateway"),
    route("/api/v1/loader", "loader-manifest"),
    route("/api/v1/manifest", "loader-manifest"),
    route("/v1/loaders", "loader-manifest"),
    route("/v1/manifests", "loader-manifest"),
    route("/manual", "manual-interaction"),
    route("/v1/steps", "manual-interaction"),
    route("/trigger/playbook", "scheduler"),
    route("/playbook", "scheduler"),
    route("/reporter", "scheduler"),
    route("/status", "scheduler"),
    route("/v1/playbooks", "scheduler"),
    route("/v1/executions", "scheduler"),
];

/// Finds the service for `path`; doubled slashes count as one.
pub fn service(path: &str) -> Option<&'static str> {
    let parts = || path.split('/').filter(|part| !part.is_empty());
    let found = TABLE.iter().find(|route| {
        let mut parts = parts();
        route
            .prefix
            .split('/')
            .filter(|part| !part.is_empty())
            .all(|part| parts.next() == Some(part))
    });
    found.map(|route| route.service)
}

#[cfg(test)]
mod tests {
    use super::service;

    #[test]
    fn a_prefix_ends_at_a_slash() {
        assert_eq!(service("/api/v1/action/create/"), Some("investigation-api"));
        assert_eq!(service("/api/v1//ip"), Some("agent-gateway"));
        assert_eq!(service("//api/agent/tasks"), Some("agent-gateway"));
        assert_eq!(service("/api/v1/agents"), None);
        assert_eq!(service("/"), None);
    }
}
