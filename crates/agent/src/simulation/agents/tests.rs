//! Agents without a server: how they stop, and what they throw.

use super::*;
use clap::Parser as _;
use std::sync::atomic::AtomicBool;
use tokio::sync::Notify;
use tokio::time::timeout;
use types::ActionId;

/// Gives one piece of work, and takes its answer when it is told to.
#[derive(Default)]
struct Desk {
    given: AtomicBool,
    answering: Notify,
    takes: Notify,
    breaks: bool,
}

const WORK: Given = Given {
    run: RunId(Uuid::from_u128(7)),
    action: Some(ActionId(1)),
    operations: 1,
    lacking: false,
    until: None,
};
const SOON: Duration = Duration::from_mins(1);

impl Dialect for Desk {
    type Identity = ();
    const KIND: &'static str = "desk";

    async fn enrol(&self, _: Newcomer<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    async fn poll(&self, (): &(), _: Duration) -> anyhow::Result<Vec<Given>> {
        assert!(!self.breaks, "a fault of the simulation");
        let first = !self.given.swap(true, Ordering::Relaxed);
        Ok(if first { vec![WORK] } else { vec![] })
    }

    async fn answer(&self, (): &(), answers: &[Answer]) -> anyhow::Result<Vec<Verdict>> {
        self.answering.notify_one();
        self.takes.notified().await;
        Ok(vec![Verdict::Accepted; answers.len()])
    }
}

async fn fleet(desk: Desk) -> (Fleet<Desk>, Arc<Desk>, Arc<Record>, watch::Sender<bool>) {
    let line = ["writ-fleet", "--server=http://127.0.0.1/", "--apikey-file=key", "--agents=1"];
    let honest =
        ["--every=0.01", "--offline=0", "--slow=0", "--duplicate=0", "--lying=0", "--crashing=0"];
    let cli = Cli::try_parse_from(line.iter().chain(&honest)).unwrap();
    let (desk, record, (halt, halted)) = (Arc::new(desk), Arc::default(), watch::channel(false));
    let fleet = Fleet::enrol(Arc::clone(&desk), &cli, Arc::clone(&record), halted).await.unwrap();
    (fleet, desk, record, halt)
}

#[tokio::test]
async fn an_answer_that_is_on_its_way_when_all_stop_is_sent_to_its_end() {
    let (fleet, desk, record, halt) = fleet(Desk::default()).await;
    let mut work = Box::pin(fleet.work());
    tokio::select! {
        () = &mut work => unreachable!(),
        () = desk.answering.notified() => {}
    }
    // from now on the server may show it
    assert!(record.history().unsure.contains_key(&WORK.run));
    halt.send_replace(true);
    assert!(timeout(Duration::from_millis(100), &mut work).await.is_err(), "it was cut off");
    desk.takes.notify_one();
    timeout(SOON, work).await.unwrap();
    let history = record.history();
    assert!(history.told.contains_key(&WORK.run) && history.unsure.is_empty());
    assert!(record.is_sound());
}

#[tokio::test]
async fn agents_that_end_by_themselves_are_a_violation() {
    let (fleet, _, record, halt) = fleet(Desk { breaks: true, ..Desk::default() }).await;
    let mut work = Box::pin(fleet.work());
    while record.is_sound() {
        let turn = timeout(Duration::from_millis(10), &mut work).await;
        assert!(turn.is_err(), "it goes on until it is halted");
    }
    halt.send_replace(true);
    timeout(SOON, work).await.unwrap();
}

#[test]
fn the_same_seed_throws_the_same_whatever_work_is_called() {
    let throws = |number, seed| {
        let agent = Agent::new(number, Nature::Crashing, ());
        (0..8).map(|_| agent.dice(seed).random()).collect::<Vec<u64>>()
    };
    assert_eq!(throws(1, 1), throws(1, 1));
    assert_ne!(throws(1, 1), throws(2, 1));
    assert_ne!(throws(1, 1), throws(1, 2));
    let first = throws(1, 1);
    assert!(first.iter().collect::<std::collections::HashSet<_>>().len() == first.len());
}

#[test]
fn an_answer_that_is_settled_stays_so_whatever_fails_after_it() {
    assert_eq!(Doubt::None.unheard(), Doubt::Sent);
    assert_eq!(Doubt::Sent.unheard(), Doubt::Sent);
    assert_eq!(Doubt::Settled.unheard().unheard(), Doubt::Settled);
}
