//! What many agents ask at the same time is asked of the database once: whoever comes while an answer is on its way is
//! part of the next one. An idle service answers at once, a busy one with few statements and few commits; nothing is
//! remembered, so that any number of replicas is right at any time.

use crate::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// More in one statement is not faster (field/performance.md, H1).
const AT_ONCE: usize = 1_000;

type Reply<A> = oneshot::Sender<Result<A, Error>>;

/// Gathers questions of one kind.
#[derive(Debug)]
pub(crate) struct Together<Q, A> {
    waiting: Mutex<Vec<(Q, Reply<A>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<Q: Clone, A> Together<Q, A> {
    /// Asks one question. One of those who wait asks for all with `look`, which gives an answer per question, in order.
    pub(crate) async fn ask<F>(&self, question: Q, look: F) -> Result<A, Error>
    where
        F: AsyncFn(&[Q]) -> Result<Vec<A>, Error>,
    {
        loop {
            // whoever asked for us went away meanwhile; so we ask again
            if let Some(answer) = self.wait(question.clone(), &look).await {
                return answer;
            }
        }
    }

    async fn wait<F>(&self, question: Q, look: &F) -> Option<Result<A, Error>>
    where
        F: AsyncFn(&[Q]) -> Result<Vec<A>, Error>,
    {
        let (reply, mut told) = oneshot::channel();
        self.lock().push((question, reply));
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut told => return answer.ok(),
                turn = self.turn.lock() => turn,
            };
            match told.try_recv() {
                Ok(answer) => return Some(answer),
                Err(oneshot::error::TryRecvError::Closed) => return None,
                Err(oneshot::error::TryRecvError::Empty) => self.look(look).await,
            }
            drop(turn);
        }
    }

    async fn look<F>(&self, look: &F)
    where
        F: AsyncFn(&[Q]) -> Result<Vec<A>, Error>,
    {
        let (questions, replies): (Vec<Q>, Vec<Reply<A>>) = {
            let mut waiting = self.lock();
            // for whom went away nothing is to be taken out of the database
            waiting.retain(|(_, reply)| !reply.is_closed());
            let count = waiting.len().min(AT_ONCE);
            waiting.drain(..count).unzip()
        };
        let told = look(&questions).await;
        // who does not wait any more does not want to know
        match told {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    drop(reply.send(Ok(answer)));
                }
            }
            Err(error) => {
                for reply in replies {
                    drop(reply.send(Err(error.again())));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Q, Reply<A>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does something for all at once; when that fails though the database is there, for each by itself, so that nobody stands
/// in the way of the others.
pub(crate) async fn all_or_each<Q, A>(
    all: &[Q],
    act: impl AsyncFn(&[Q]) -> Result<Vec<A>, Error>,
) -> Result<Vec<Result<A, Error>>, Error> {
    match act(all).await {
        Ok(answers) => Ok(answers.into_iter().map(Ok).collect()),
        Err(error @ Error::Unavailable(_)) => Err(error),
        Err(error) if all.len() < 2 => Ok(vec![Err(error)]),
        Err(_) => {
            let mut each = Vec::with_capacity(all.len());
            for one in all {
                let answer = act(std::slice::from_ref(one)).await;
                let only = |answers: Vec<A>| answers.into_iter().next();
                each.push(answer.and_then(|one| only(one).ok_or(Error::NotFound("answer"))));
            }
            Ok(each)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn those_who_come_during_a_look_share_the_next() {
        let together = Together::<usize, usize>::default();
        let (looks, gate) = (AtomicUsize::new(0), Semaphore::new(0));
        let look = async |numbers: &[usize]| {
            looks.fetch_add(1, Ordering::Relaxed);
            gate.acquire().await.unwrap().forget();
            Ok(numbers.iter().map(|number| number * 2).collect())
        };
        let mut all = pin!(join_all((0..2_500).map(|number| together.ask(number, look))));
        assert!(futures_util::poll!(all.as_mut()).is_pending());
        gate.add_permits(100);
        let answers: Vec<usize> = all.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..2_500).map(|number| number * 2).collect::<Vec<_>>());
        // the first one for itself or with those who came at the same time, the others by thousands
        assert!(looks.load(Ordering::Relaxed) <= 4, "{looks:?}");
    }

    #[tokio::test]
    async fn who_goes_away_while_it_asks_for_others_takes_none_along() {
        let together = Together::<usize, usize>::default();
        let gate = Semaphore::new(0);
        let look = async |numbers: &[usize]| {
            gate.acquire().await.unwrap().forget();
            Ok(numbers.to_vec())
        };
        let mut gone = Box::pin(together.ask(1, look));
        assert!(futures_util::poll!(gone.as_mut()).is_pending());
        let mut stays = pin!(together.ask(2, look));
        assert!(futures_util::poll!(stays.as_mut()).is_pending());
        drop(gone);
        gate.add_permits(1);
        assert_eq!(stays.await.unwrap(), 2);
        let mut first = Box::pin(together.ask(3, look));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        drop(first);
        gate.add_permits(1);
        assert_eq!(together.ask(4, look).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all() {
        let together = Together::<usize, usize>::default();
        let look = async |_: &[usize]| Err(Error::Unavailable(anyhow::anyhow!("away")));
        let answers = join_all((0..3).map(|number| together.ask(number, look))).await;
        for answer in answers {
            assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn one_that_fails_fails_alone() {
        let act = async |numbers: &[u32]| {
            let three = || Error::Internal(anyhow::anyhow!("three"));
            if numbers.contains(&3) { Err(three()) } else { Ok(numbers.to_vec()) }
        };
        let answers = all_or_each(&[1, 3, 5], act).await.unwrap();
        assert!(
            matches!(answers.as_slice(), [Ok(1), Err(Error::Internal(_)), Ok(5)]),
            "{answers:?}"
        );
        let away = async |_: &[u32]| Err::<Vec<()>, _>(Error::Unavailable(anyhow::anyhow!("away")));
        assert!(all_or_each(&[1, 2], away).await.is_err());
    }
}
