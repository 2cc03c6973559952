//! Checks that the audit is whole.

use super::App;
use crate::domain::audit::{CUT, hash};
use crate::error::Error;
use crate::store::audit::{Head, audit_after};

/// Says how many rows are read at a time.
const PAGE: i64 = 1000;

/// Says how the audit is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// Every row follows from the one before; this is the last.
    Whole(Head),
    /// A row is missing before this one, or was changed.
    Broken {
        /// Where the chain ends.
        id: i64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl App {
    /// Follows the audit from its first row; `noted` is a row that must be in it, as it was seen before. Where rows
    /// were removed because they were old, a later row tells which was the last of them.
    pub(crate) async fn verify_audit(&self, noted: Option<&Head>) -> Result<Audit, Error> {
        let mut head = Head::none();
        let mut met = noted.is_none();
        let mut untold = None;
        loop {
            let mut conn = self.store.get().await?;
            let rows = audit_after(&mut conn, head.id, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let broken = |what| Ok(Audit::Broken { id: row.id, what });
                if head == Head::none() && row.id > 1 {
                    head = Head { id: row.id.saturating_sub(1), hash: row.previous.clone() };
                    met |= noted == Some(&head);
                    untold = Some(format!("{}:{}", head.id, hex::encode(&head.hash)));
                }
                if row.id != head.id.saturating_add(1) {
                    return broken("rows before it are missing");
                }
                if row.previous != head.hash {
                    return broken("it does not follow from the row before");
                }
                if row.hash != hash(&head.hash, row.id, &row.entry) {
                    return broken("it was changed");
                }
                if row.entry.what == CUT {
                    untold = untold.filter(|last| *last != row.entry.subject);
                }
                head = Head { id: row.id, hash: row.hash };
                if noted.is_some_and(|noted| noted.id == head.id) {
                    if noted != Some(&head) {
                        return broken("it is not the row that was noted");
                    }
                    met = true;
                }
            }
        }
        if untold.is_some() {
            return Ok(Audit::Broken { id: 1, what: "rows are missing, and none tells why" });
        }
        match noted {
            Some(noted) if !met => Ok(Audit::Broken { id: noted.id, what: "it is missing" }),
            _ => Ok(Audit::Whole(head)),
        }
    }
}
