//! What an account on the broker needs, and no more: each service its own.
//!
//! An account may declare, fill and read its own queues, publish the kinds that its service produces, and bind the
//! kinds that its service takes. It may not touch another's queue, also not through the default exchange, nor the
//! exchanges and the dead letters that all share: whoever sets up the broker declares these.

use crate::topology::{AGAIN, DEAD, EXCHANGE};
use types::messages::KINDS;

/// Is what one account may do, in RabbitMQ's regular expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What it may declare and delete.
    pub configure: String,
    /// What it may publish to, and which queues it may bind.
    pub write: String,
    /// What it may take from.
    pub read: String,
    /// By topic exchange: the routing keys it may publish, and those it may bind.
    pub topics: [(&'static str, String, String); 2],
}

/// Lists what all services share, as kind, name and type: declared by whoever sets up the broker.
pub const SHARED: [(&str, &str, &str); 4] = [
    ("exchange", EXCHANGE, "topic"),
    ("exchange", AGAIN, "topic"),
    ("exchange", DEAD, "fanout"),
    ("queue", DEAD, "quorum"),
];

impl Rights {
    /// Gives the rights of `service`.
    pub fn of(service: &str) -> Self {
        let kinds = |wanted: fn(&types::messages::Kind, &str) -> bool| {
            let names = KINDS.iter().filter(|kind| wanted(kind, service)).map(|kind| kind.kind);
            whole(&names.map(literal).collect::<Vec<_>>().join("|"))
        };
        let own = format!("{}\\..+", literal(service));
        let exchanges = [EXCHANGE, AGAIN].map(literal).join("|");
        Self {
            configure: whole(&own),
            write: whole(&format!("{exchanges}|{}|{own}", literal(DEAD))),
            read: whole(&format!("{exchanges}|{own}")),
            topics: [
                (
                    EXCHANGE,
                    kinds(|kind, service| kind.producers.contains(&service)),
                    kinds(|kind, service| {
                        kind.consumers.contains(&service) || kind.producers.contains(&service)
                    }),
                ),
                (AGAIN, whole(&own), whole(&own)),
            ],
        }
    }
}

fn literal(name: &str) -> String {
    name.replace('.', "\\.")
}

fn whole(pattern: &str) -> String {
    format!("^({pattern})$")
}

#[cfg(test)]
mod tests {
    use super::Rights;

    #[test]
    fn only_the_owner_speaks_of_investigators() {
        let may = |service, kind: &str| Rights::of(service).topics[0].1.contains(kind);
        assert!(may("investigation-api", "investigator\\.changed\\.v1"));
        for other in ["agent-gateway", "loader-manifest", "manual-interaction", "scheduler"] {
            assert!(!may(other, "investigator\\.changed\\.v1"), "{other}");
            assert!(!may(other, "action\\.accepted\\.v1"), "{other}");
        }
        let loader = Rights::of("loader-manifest");
        assert_eq!(loader.configure, "^(loader-manifest\\..+)$");
        assert_eq!(loader.read, "^(writ|writ\\.again|loader-manifest\\..+)$");
    }
}
