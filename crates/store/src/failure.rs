//! What can go wrong in the database, in the five kinds that callers tell apart.

use crate::PoolError;
use diesel::result::{DatabaseErrorKind as Kind, Error};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Says why the database did not do what was asked; its text holds neither SQL nor values.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database cannot be reached, is busy, or gave this transaction up for another: the same may go well later.
    #[error("the database is not available now")]
    Unavailable(#[source] Source),
    /// The line broke over a commit: it may have come about or not, and only who looks can tell.
    #[error("it is not known whether the change came about")]
    Uncertain(#[source] Source),
    /// A row stands against it: a unique key is taken, a referenced row is missing or still referenced.
    #[error("a row in the database stands against it")]
    Conflict {
        /// The constraint's name.
        constraint: Option<String>,
    },
    /// There is no such row.
    #[error("there is no such row")]
    NotFound,
    /// A fault of ours.
    #[error("the database refused the request")]
    Internal(#[source] Source),
}

impl Failure {
    /// Tells whether the same may go well a moment later: serialization, deadlock, connection gone, no connection free.
    ///
    /// It may have gone well already ([`Failure::Uncertain`]): what is repeated must do nothing the second time.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Uncertain(_))
    }

    /// Says why a commit did not come to its end. When the database says so, nothing was changed; without its word
    /// nobody knows.
    pub(crate) fn of_commit(error: Error) -> Self {
        let error = match error {
            Error::RollbackErrorOnCommit { commit_error, .. } => *commit_error,
            other => other,
        };
        match error {
            Error::DatabaseError(Kind::UnableToSendCommand | Kind::ClosedConnection, _)
            | Error::BrokenTransactionManager => Self::Uncertain(error.into()),
            Error::DatabaseError(Kind::Unknown, ref info)
                if info.message().starts_with("terminating connection due to") =>
            {
                Self::Uncertain(error.into())
            }
            error => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::NotFound,
            Error::DatabaseError(
                Kind::UniqueViolation
                | Kind::ForeignKeyViolation
                | Kind::RestrictViolation
                | Kind::ExclusionViolation,
                info,
            ) => Self::Conflict { constraint: info.constraint_name().map(Into::into) },
            Error::DatabaseError(
                Kind::SerializationFailure
                | Kind::UnableToSendCommand
                | Kind::ClosedConnection
                | Kind::ReadOnlyTransaction,
                _,
            )
            | Error::BrokenTransactionManager => Self::Unavailable(error.into()),
            Error::DatabaseError(Kind::Unknown, ref info) if passing(info.message()) => {
                Self::Unavailable(error.into())
            }
            error => Self::Internal(error.into()),
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Knows the states that pass by their messages: diesel hands the SQLSTATE of these on to no one.
fn passing(message: &str) -> bool {
    [
        "deadlock detected",
        "canceling statement due to",
        "terminating connection due to",
        "the database system is",
        "sorry, too many clients already",
        "remaining connection slots are reserved",
        "too many connections for",
        // short of memory or disk, or a disk that does not answer
        "out of memory",
        "out of shared memory",
        "could not extend file",
        "could not write",
        "could not read",
        "could not open file",
        "cannot execute", // … in a read-only transaction: the primary has moved
    ]
    .iter()
    .any(|known| message.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use diesel::result::{DatabaseErrorKind, Error};

    fn from(kind: DatabaseErrorKind, message: &str) -> Failure {
        Error::DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        use DatabaseErrorKind::{SerializationFailure, UniqueViolation, Unknown};
        assert!(from(Unknown, "deadlock detected").is_transient());
        assert!(from(Unknown, "the database system is starting up").is_transient());
        assert!(
            from(Unknown, "could not extend file \"base/1\": No space left on device")
                .is_transient()
        );
        assert!(from(SerializationFailure, "could not serialize access").is_transient());
        assert!(matches!(from(Unknown, "column \"x\" does not exist"), Failure::Internal(_)));
        assert!(matches!(from(UniqueViolation, "duplicate key"), Failure::Conflict { .. }));
        assert!(matches!(Failure::from(Error::NotFound), Failure::NotFound));
    }

    #[test]
    fn a_commit_is_undone_only_by_the_databases_own_word() {
        use DatabaseErrorKind::{
            SerializationFailure, UnableToSendCommand, UniqueViolation, Unknown,
        };
        let of = |kind, message: &str| {
            Failure::of_commit(Error::DatabaseError(kind, Box::new(message.to_owned())))
        };
        for (kind, message) in [
            (UnableToSendCommand, "connection closed"),
            (Unknown, "terminating connection due to administrator command"),
        ] {
            let failure = of(kind, message);
            assert!(
                matches!(failure, Failure::Uncertain(_)) && failure.is_transient(),
                "{message}"
            );
        }
        assert!(matches!(of(SerializationFailure, "no"), Failure::Unavailable(_)));
        assert!(matches!(of(Unknown, "canceling statement due to x"), Failure::Unavailable(_)));
        assert!(matches!(of(UniqueViolation, "no"), Failure::Conflict { .. }));
    }

    #[test]
    fn the_text_repeats_no_sql() {
        let failure = from(DatabaseErrorKind::Unknown, "column \"secret\" does not exist");
        assert!(!failure.to_string().contains("secret"));
    }
}
