//! The way down: one file per aggregate, each function one statement on the connection it is given.

pub(crate) mod agents;
pub(crate) mod codes;
pub(crate) mod leases;
pub(crate) mod loaders;
pub(crate) mod mailbox;
pub(crate) mod mig_agents;
pub(crate) mod mig_machines;
pub(crate) mod mig_mail;
pub(crate) mod offers;
pub(crate) mod orphans;
pub(crate) mod plugins;
pub(crate) mod presence;
pub(crate) mod runbook;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod signatures;
pub(crate) mod tasks;
pub(crate) mod teams;
pub(crate) mod tokens;

use diesel::result::Error;

/// Lists the statements that run with each poll, each answer or each second; none may read a whole table.
pub const HOT_QUERIES: &[(&str, &str)] = &[
    ("tokens_find", tokens::TOKENS_FIND),
    ("presence_note", presence::PRESENCE_NOTE),
    ("mailbox_lease", leases::MAILBOX_LEASE),
    ("mailbox_asked", leases::MAILBOX_ASKED),
    ("mailbox_find", mailbox::MAILBOX_FIND),
    ("mailbox_insert", mailbox::MAILBOX_INSERT),
    ("mailbox_close", mailbox::MAILBOX_CLOSE),
    ("mailbox_ring", leases::MAILBOX_RING),
    ("mailbox_give_up", leases::MAILBOX_GIVE_UP),
    ("loaders_apply", loaders::LOADERS_APPLY),
    ("agents_rename", loaders::AGENTS_RENAME),
    ("agents_name", loaders::AGENTS_NAME),
    ("address_find", runbook::ADDRESS_FIND),
    ("agent_self", runbook::AGENT_SELF),
    ("tasks_look", offers::TASKS_LOOK),
    ("tasks_offer", offers::TASKS_OFFER),
    ("tasks_silent", offers::TASKS_SILENT),
    ("tasks_find", runs::TASKS_FIND),
    ("tasks_hold", runs::TASKS_HOLD),
    ("runs_trim", runs::RUNS_TRIM),
    ("runs_hush", runs::RUNS_HUSH),
    ("mig_agents_find", mig_agents::MIG_AGENTS_FIND),
    ("mig_agents_crowd", mig_agents::MIG_AGENTS_CROWD),
    ("mig_machines_lock", mig_machines::MIG_MACHINES_LOCK),
    ("mig_modules", mig_machines::MIG_MODULES),
    ("mig_mail_claim", mig_mail::MIG_MAIL_CLAIM),
    ("mig_mail_hold", mig_mail::MIG_MAIL_HOLD),
    ("mig_mail_note", mig_mail::MIG_MAIL_NOTE),
    ("mig_mail_wake", mig_mail::MIG_MAIL_WAKE),
    ("mig_mail_due", mig_mail::MIG_MAIL_DUE),
    ("mig_mail_find", mig_mail::MIG_MAIL_FIND),
];

/// Says that a row does not read as what it should be; a fault of ours.
fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::DeserializationError(error.into())
}
