//! The store of a service: its pool, and transactions that are done whole or not at all.

use crate::{Conn, Failure, Pool, PooledConn, sql};
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AnsiTransactionManager, RunQueryDsl, TransactionManager};
use std::cell::RefCell;
use std::time::Duration;

tokio::task_local! {
    /// Holds what is to be done once the transaction is committed that the task is inside of.
    static AFTERWARDS: RefCell<Vec<Work>>;
}

type Work = Box<dyn FnOnce() + Send>;

/// Has `work` done once the transaction is committed that the caller is inside of, and never when it is rolled back:
/// for what PostgreSQL cannot take back, as a count. Outside of transactions it is done at once.
pub fn after_commit(work: impl FnOnce() + Send + 'static) {
    let work: Work = Box::new(work);
    let mut work = Some(work);
    let _outside = AFTERWARDS.try_with(|list| list.borrow_mut().extend(work.take()));
    if let Some(work) = work {
        work();
    }
}

/// Is the way to a service's database; clones share one pool.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

/// Is how the connections of a pool are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// On loan.
    pub used: u64,
    /// Open and free.
    pub idle: u64,
    /// Callers that wait for one.
    pub waiting: u64,
    /// How many there may be.
    pub most: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("status", &self.pool.status()).finish()
    }
}

impl Store {
    /// Stands on `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Borrows a connection; waits five seconds at most.
    pub async fn get(&self) -> Result<PooledConn, Failure> {
        Ok(self.pool.get().await?)
    }

    /// Tells how the pool's connections are used at this moment.
    pub fn connections(&self) -> Connections {
        let status = self.pool.status();
        let count = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        Connections {
            used: count(status.size.saturating_sub(status.available)),
            idle: count(status.available.min(status.size)),
            waiting: count(status.waiting),
            most: count(status.max_size),
        }
    }

    /// Tells within two seconds whether the database answers.
    pub async fn is_up(&self) -> bool {
        let ask = async {
            let mut conn = self.get().await?;
            sql("select 1").execute(&mut conn).await.map_err(Failure::from)
        };
        matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Ok(_)))
    }

    /// Runs `work` in one transaction: `Ok` commits, `Err` rolls back.
    ///
    /// When the caller goes away half-way, the connection is closed, and PostgreSQL rolls back as soon as it notices: a
    /// future that is dropped never leaves a transaction, nor its locks, behind. Once the commit is on its way, nobody
    /// can tell whether it came about: a line that breaks then is [`Failure::Uncertain`].
    pub async fn tx<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn) -> Result<T, E>,
        E: From<Failure>,
    {
        let mut open = self.begin().await?;
        let conn = open.conn()?;
        let inside = async {
            let done = work(conn).await;
            (done, AFTERWARDS.with(RefCell::take))
        };
        let (done, afterwards) = AFTERWARDS.scope(RefCell::default(), inside).await;
        match done {
            Ok(value) => {
                let committed = AnsiTransactionManager::commit_transaction(open.conn()?).await;
                committed.map_err(Failure::of_commit)?;
                open.close();
                for work in afterwards {
                    work();
                }
                Ok(value)
            }
            Err(error) => {
                // the cause is worth more than a failed rollback: that connection is thrown away
                if AnsiTransactionManager::rollback_transaction(open.conn()?).await.is_ok() {
                    open.close();
                }
                Err(error)
            }
        }
    }

    /// Begins; connections that died unnoticed, as all do when the database restarts, are thrown away for others.
    async fn begin(&self) -> Result<Open, Failure> {
        let mut left = self.pool.status().max_size;
        loop {
            // when the database is away, this fails: a connection that is not there cannot be made
            let mut open = Open(Some(self.get().await?));
            match AnsiTransactionManager::begin_transaction(open.conn()?)
                .await
                .map_err(Failure::from)
            {
                Ok(()) => return Ok(open),
                Err(failure) if left > 0 && failure.is_transient() => left -= 1,
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Is a connection inside a transaction; thrown away, not given back, unless it is closed properly.
struct Open(Option<PooledConn>);

impl Open {
    fn conn(&mut self) -> Result<&mut Conn, Failure> {
        let conn =
            self.0.as_mut().ok_or_else(|| Failure::Internal("the transaction is over".into()))?;
        Ok(&mut *conn)
    }

    /// Gives the connection back to the pool.
    fn close(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            drop(Object::take(conn));
        }
    }
}
