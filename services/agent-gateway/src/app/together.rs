//! Request coalescing: what many agents ask at the same time is asked of the database once. Whoever comes while an
//! answer is on its way is part of the next one. An idle service answers at once, a busy one with few statements and
//! few commits; nothing is remembered, so that any number of replicas is right at any time.

use crate::error::Error;
use anyhow::anyhow;
use futures_util::FutureExt;
use service::Tasks;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tracing::Span;

/// More in one statement is not faster (field/performance.md, H1).
const AT_ONCE: usize = 1_000;

type Reply<A> = oneshot::Sender<Result<A, Error>>;

/// Gathers questions of one kind.
#[derive(Debug)]
pub(crate) struct Together<Q, A> {
    waiting: Mutex<Vec<(Q, Reply<A>)>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: Arc::default() }
    }
}

impl<Q, A: Send + 'static> Together<Q, A> {
    /// Asks one question. One of those who wait has `look` ask for all, which gives an answer per question, in order.
    /// It is a task of its own: whoever hangs up, what is taken out of the database for the others reaches them.
    pub(crate) async fn ask<L>(
        &self,
        tasks: &Tasks,
        question: Q,
        look: impl Fn(Vec<Q>) -> L,
    ) -> Result<A, Error>
    where
        L: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
    {
        let (reply, mut told) = oneshot::channel();
        self.lock().push((question, reply));
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut told => return answer.unwrap_or_else(|_| Err(cut_off())),
                turn = Arc::clone(&self.turn).lock_owned() => turn,
            };
            match told.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => return Err(cut_off()),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let (questions, replies) = self.take();
            let answers = AssertUnwindSafe(look(questions)).catch_unwind();
            let asking = async move {
                tell(replies, answers.await.unwrap_or_else(|_| Err(panicked())));
                drop(turn);
            };
            tasks.spawn_within("ask-together", Span::current(), asking);
        }
    }

    /// Takes the questions that are asked next; for whom went away nothing is to be taken out of the database.
    fn take(&self) -> (Vec<Q>, Vec<Reply<A>>) {
        let mut waiting = self.lock();
        waiting.retain(|(_, reply)| !reply.is_closed());
        let count = waiting.len().min(AT_ONCE);
        waiting.drain(..count).unzip()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Q, Reply<A>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody; who does not wait any more does not want to know.
fn tell<A>(replies: Vec<Reply<A>>, told: Result<Vec<A>, Error>) {
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

fn cut_off() -> Error {
    Error::Unavailable(anyhow!("the process ended before there was an answer"))
}

fn panicked() -> Error {
    Error::Internal(anyhow!("asking together panicked"))
}

/// Does something for all at once; when that fails though the database is there, for each by itself, so that nobody
/// stands in the way of the others.
pub(crate) async fn all_or_each<Q: Clone, A, L>(
    all: Vec<Q>,
    act: impl Fn(Vec<Q>) -> L,
) -> Result<Vec<Result<A, Error>>, Error>
where
    L: Future<Output = Result<Vec<A>, Error>>,
{
    match act(all.clone()).await {
        Ok(answers) => Ok(answers.into_iter().map(Ok).collect()),
        Err(error @ Error::Unavailable(_)) => Err(error),
        Err(error) if all.len() < 2 => Ok(vec![Err(error)]),
        Err(_) => {
            let mut each = Vec::with_capacity(all.len());
            for one in all {
                let answer = act(vec![one]).await;
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
    use service::{Health, Shutdown};
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    fn tasks() -> Tasks {
        Tasks::new(tokio::runtime::Handle::current(), Health::default(), Shutdown::default())
    }

    /// Doubles numbers whenever there is a permit; counts how often.
    #[derive(Clone)]
    struct Doubling {
        looks: Arc<AtomicUsize>,
        gate: Arc<Semaphore>,
    }

    impl Doubling {
        fn new() -> Self {
            Self { looks: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
        }

        async fn look(self, numbers: Vec<usize>) -> Result<Vec<usize>, Error> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            self.gate.acquire().await.unwrap().forget();
            Ok(numbers.into_iter().map(|number| number * 2).collect())
        }

        async fn looked(&self, times: usize) {
            while self.looks.load(Ordering::Relaxed) < times {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn those_who_come_during_a_look_share_the_next() {
        let (together, tasks) = (Together::<usize, usize>::default(), tasks());
        let doubling = Doubling::new();
        let look = |numbers| doubling.clone().look(numbers);
        let asks = (0..2_500).map(|number| together.ask(&tasks, number, look));
        let mut all = pin!(join_all(asks));
        assert!(futures_util::poll!(all.as_mut()).is_pending());
        doubling.gate.add_permits(100);
        let answers: Vec<usize> = all.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..2_500).map(|number| number * 2).collect::<Vec<_>>());
        // the first one for itself or with those who came at the same time, the others by thousands
        assert!(doubling.looks.load(Ordering::Relaxed) <= 4, "{:?}", doubling.looks);
    }

    #[tokio::test]
    async fn who_goes_away_while_it_asks_for_others_takes_none_along() {
        let (together, tasks) = (Together::<usize, usize>::default(), tasks());
        let doubling = Doubling::new();
        let look = |numbers| doubling.clone().look(numbers);
        let mut first = pin!(together.ask(&tasks, 1, look));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let mut leads = Box::pin(together.ask(&tasks, 2, look));
        assert!(futures_util::poll!(leads.as_mut()).is_pending());
        let mut follows = pin!(together.ask(&tasks, 3, look));
        assert!(futures_util::poll!(follows.as_mut()).is_pending());
        doubling.gate.add_permits(1);
        assert_eq!(first.await.unwrap(), 2);
        assert!(futures_util::poll!(leads.as_mut()).is_pending());
        doubling.looked(2).await;
        drop(leads);
        doubling.gate.add_permits(1);
        assert_eq!(follows.await.unwrap(), 6);
        // what was taken for both is not asked for again
        assert_eq!(doubling.looks.load(Ordering::Relaxed), 2);
        doubling.gate.add_permits(1);
        assert_eq!(together.ask(&tasks, 4, look).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all() {
        let (together, tasks) = (Together::<usize, usize>::default(), tasks());
        let away = |_| std::future::ready(Err(Error::Unavailable(anyhow!("away"))));
        let answers = join_all((0..3).map(|number| together.ask(&tasks, number, away))).await;
        for answer in answers {
            assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        }
        let panics = async |_| panic!("a fault");
        let answer = together.ask(&tasks, 1, panics).await;
        assert!(matches!(answer, Err(Error::Internal(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn one_that_fails_fails_alone() {
        let act = async |numbers: Vec<u32>| {
            let three = || Error::Internal(anyhow!("three"));
            if numbers.contains(&3) { Err(three()) } else { Ok(numbers) }
        };
        let answers = all_or_each(vec![1, 3, 5], act).await.unwrap();
        assert!(
            matches!(answers.as_slice(), [Ok(1), Err(Error::Internal(_)), Ok(5)]),
            "{answers:?}"
        );
        let away = async |_: Vec<u32>| Err::<Vec<()>, _>(Error::Unavailable(anyhow!("away")));
        assert!(all_or_each(vec![1, 2], away).await.is_err());
    }
}
