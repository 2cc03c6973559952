//! The table `run_word`.

use crate::domain::word::{Wish, Word};
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, InvestigatorId};

/// How many words are looked at together.
const AT_ONCE: i64 = 100;

/// Is a word that is kept until its run is free.
#[derive(Debug, QueryableByName)]
pub(crate) struct WordRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) number: i64,
    #[diesel(sql_type = BigInt)]
    action_id: i64,
    #[diesel(sql_type = BigInt)]
    given_by: i64,
    #[diesel(sql_type = Nullable<Bool>)]
    paused: Option<bool>,
    #[diesel(sql_type = Timestamptz)]
    given: OffsetDateTime,
}

impl WordRow {
    pub(crate) fn word(&self) -> Word {
        let wish = match self.paused {
            Some(paused) => Wish::Steer { paused, at: self.given },
            None => Wish::Cancel,
        };
        Word { action: ActionId(self.action_id), by: InvestigatorId(self.given_by), wish }
    }
}

/// Keeps a word.
pub(crate) async fn word_keep(
    conn: &mut Conn,
    word: &Word,
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let (paused, given) = match word.wish {
        Wish::Cancel => (None, now),
        Wish::Steer { paused, at } => (Some(paused), at),
    };
    store::sql("insert into run_word (action_id, given_by, paused, given) values ($1, $2, $3, $4)")
        .bind::<BigInt, _>(word.action.0)
        .bind::<BigInt, _>(word.by.0)
        .bind::<Nullable<Bool>, _>(paused)
        .bind::<Timestamptz, _>(given)
        .execute(conn)
        .await
}

/// Gives the oldest words that are kept, but for those on runs that are passed over.
pub(crate) async fn words_kept(conn: &mut Conn, now: OffsetDateTime) -> QueryResult<Vec<WordRow>> {
    store::sql(
        "select number, action_id, given_by, paused, given from run_word
         where not exists (select from run where run.action_id = run_word.action_id and put_off > $1)
         order by number limit $2",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(AT_ONCE)
    .get_results(conn)
    .await
}

/// Tells whether a word on this action is kept.
pub(crate) async fn words_wait(conn: &mut Conn, action: ActionId) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = Bool)]
        kept: bool,
    }
    let found: Kept =
        store::sql("select exists (select from run_word where action_id = $1) as kept")
            .bind::<BigInt, _>(action.0)
            .get_result(conn)
            .await?;
    Ok(found.kept)
}

/// Takes a word that is kept; tells whether nobody else has taken it or is about to.
pub(crate) async fn word_take(conn: &mut Conn, number: i64) -> QueryResult<bool> {
    let taken = store::sql(
        "delete from run_word where number in
             (select number from run_word where number = $1 for update skip locked)",
    )
    .bind::<BigInt, _>(number)
    .execute(conn)
    .await?;
    Ok(taken > 0)
}
