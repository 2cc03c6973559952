//! What the ledger takes, and what it does not.

use super::*;
use crate::simulation::mig::Mig;
use crate::simulation::runbook::Runbook;
use clap::Parser as _;
use types::api::action::CommandCounters;
use types::messages::command::module_is_missing;
use types::{AgentId, CommandStatus, OperationResult};
use uuid::Uuid;

/// The agent that the tests are about, of three.
const AGENT: u32 = 2;

/// Reads a command line of three honest agents, but for what `words` say.
fn cli(words: &[&str]) -> Cli {
    let mut line = vec!["writ-fleet", "--server=http://127.0.0.1/", "--apikey-file=key"];
    line.extend(["--agents=3", "--every=1", "--offline=0", "--slow=0", "--duplicate=0"]);
    line.extend(["--lying=0", "--crashing=0"]);
    let changed: Vec<&str> = words.iter().filter_map(|word| word.split('=').next()).collect();
    line.retain(|word| word.split('=').next().is_none_or(|name| !changed.contains(&name)));
    line.extend(words);
    Cli::try_parse_from(line).unwrap()
}

fn now() -> OffsetDateTime {
    Clock::system().now()
}

fn run(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

/// The life of a fleet that worked for ten minutes, and stopped a minute ago.
fn history() -> History {
    let stopped = now() - Duration::from_mins(1);
    History {
        told: HashMap::new(),
        unsure: HashMap::new(),
        lives: HashMap::new(),
        began: stopped - Duration::from_mins(10),
        stopped,
        latest_turn: Duration::from_millis(100),
    }
}

/// An answer of the agent that was given in the middle of an action.
fn told(action: Option<i64>, sure: bool) -> Told {
    let status = CommandStatus::Success;
    let at = now() - Duration::from_mins(5);
    Told { agent: AGENT, action: action.map(ActionId), status, operations: 1, at, sure }
}

/// An action of the last eight minutes that ended three minutes ago, with one command of the agent.
fn action(id: i64, status: &str, command: &str) -> (ActionView, Vec<CommandView>) {
    let (began, end) = (now() - Duration::from_mins(8), now() - Duration::from_mins(3));
    let mut counters = CommandCounters { targeted: 1, ..CommandCounters::default() };
    *match command {
        "waiting" => &mut counters.waiting,
        "success" => &mut counters.success,
        "failed" => &mut counters.failed,
        "expired" => &mut counters.expired,
        _ => &mut counters.cancelled,
    } = 1;
    let view = ActionView {
        id: ActionId(id),
        name: "a".into(),
        target: "t".into(),
        status: status.into(),
        reason: None,
        valid_from: began,
        expire_after: end,
        created: began,
        started: Some(began),
        finished: Some(end),
        signers: vec![],
        counters,
        dispatch: None,
    };
    let command = CommandView {
        id: CommandId(id * 10),
        agent_id: AgentId(7),
        agent_name: name("fleet", AGENT),
        status: command.into(),
        started: began,
        finished: Some(end),
        results: vec![],
    };
    (view, vec![command])
}

/// Lets a command show what the agent answered in this run.
fn show(command: &mut CommandView, number: u128) {
    let action = Some(ActionId(1));
    let given = Given { run: run(number), action, operations: 1, lacking: false, until: None };
    command.results = Answer::of(AGENT, given, CommandStatus::Success, 1_000).results;
}

/// Lets a command show why the server failed it.
fn refuse(command: &mut CommandView, reason: String) {
    let errors = Some(vec![reason]);
    command.results = vec![OperationResult { errors, ..OperationResult::default() }];
}

fn judged<D: Dialect>(
    cli: &Cli,
    history: &History,
    actions: &[(ActionView, Vec<CommandView>)],
) -> Vec<String> {
    let (terms, revoked) = (Terms::of::<D>(cli), HashSet::new());
    let mut ledger = Ledger::new(&terms, history, &revoked);
    for (action, commands) in actions {
        ledger.judge(action, commands);
    }
    let actions: Vec<ActionView> = actions.iter().map(|(action, _)| action.clone()).collect();
    ledger.close(cli.actions, &actions)
}

#[track_caller]
fn one(faults: &[String], text: &str) {
    assert!(faults.len() == 1 && faults.iter().all(|fault| fault.contains(text)), "{faults:?}");
}

#[test]
fn an_agent_that_was_there_lets_nothing_expire() {
    let expired = [action(1, "completed", "expired")];
    for nature in ["", "--slow=1", "--duplicate=1", "--lying=1", "--lacking=1", "--checkin=1"] {
        let cli = cli(&[nature].map(|it| if it.is_empty() { "--label=fleet" } else { it }));
        one(&judged::<Mig>(&cli, &history(), &expired), "expired, though the agent was there");
    }
    for nature in ["--offline=1", "--crashing=1"] {
        assert!(judged::<Mig>(&cli(&[nature]), &history(), &expired).is_empty());
    }
}

#[test]
fn one_that_could_not_be_there_does() {
    let (cli, expired) = (cli(&[]), action(1, "completed", "expired"));
    let (view, command) = (&expired.0, &expired.1[0]);
    let takes = |history: &History| {
        let faults = judged::<Mig>(&cli, history, std::slice::from_ref(&expired));
        assert!(faults.is_empty(), "{faults:?}");
    };
    let mut late = history();
    late.began = view.expire_after - Duration::from_secs(5);
    takes(&late);
    let mut early = history();
    early.stopped = command.started + Duration::from_secs(5);
    takes(&early);
    let mut away = history();
    let bad = [command.started - Duration::from_secs(1), view.expire_after];
    away.lives.entry(AGENT).or_default().bad_times.push(bad);
    takes(&away);
    let mut busy = history();
    busy.latest_turn = Duration::from_mins(5);
    takes(&busy);
    // a bad moment long before the end explains nothing
    let mut moment = history();
    moment.lives.entry(AGENT).or_default().bad_times.push([command.started; 2]);
    one(&judged::<Mig>(&cli, &moment, std::slice::from_ref(&expired)), "expired, though");
    // what is held back may never go out
    let mut paced = expired.clone();
    let asked = serde_json::from_value(json!({"rate_per_second": 1})).unwrap();
    paced.0.dispatch = Some(types::api::action::DispatchView { asked, wave: 0, held: 1 });
    assert!(judged::<Mig>(&cli, &history(), &[paced]).is_empty());
}

#[test]
fn the_server_fails_only_what_an_agent_cannot_do() {
    let cli = cli(&[]);
    let mut failed = action(1, "completed", "failed");
    one(
        &judged::<Mig>(&cli, &history(), std::slice::from_ref(&failed)),
        "failed, though the agent was there",
    );
    refuse(&mut failed.1[0], module_is_missing("file"));
    one(
        &judged::<Mig>(&cli, &history(), std::slice::from_ref(&failed)),
        "failed, though the agent was there",
    );
    let mut netstat = failed.clone();
    refuse(&mut netstat.1[0], module_is_missing("netstat"));
    assert!(judged::<Mig>(&cli, &history(), &[netstat]).is_empty());
    let lacking = self::cli(&["--lacking=1"]);
    one(&judged::<Mig>(&lacking, &history(), std::slice::from_ref(&failed)), "fails at once");
    failed.1[0].finished = Some(failed.1[0].started);
    assert!(judged::<Mig>(&lacking, &history(), &[failed]).is_empty());
}

#[test]
fn only_a_withdrawn_action_has_withdrawn_commands() {
    let cli = cli(&[]);
    assert!(judged::<Mig>(&cli, &history(), &[action(1, "cancelled", "cancelled")]).is_empty());
    let faults = judged::<Mig>(&cli, &history(), &[action(1, "completed", "cancelled")]);
    one(&faults, "cancelled, and its action is not");
}

#[test]
fn a_withdrawn_command_excuses_one_answer_of_its_own_agent() {
    let cli = cli(&["--kind=runbook", "--plugin=0190163d-8694-739b-aea5-966c26f8ad90"]);
    let mut history = history();
    history.told.insert(run(1), told(None, false));
    one(&judged::<Runbook>(&cli, &history, &[]), "the answer of agent 2 is lost");
    let withdrawn = action(1, "cancelled", "cancelled");
    assert!(judged::<Runbook>(&cli, &history, std::slice::from_ref(&withdrawn)).is_empty());
    let mut of_another = withdrawn.clone();
    of_another.1[0].agent_name = name("fleet", 1);
    one(&judged::<Runbook>(&cli, &history, &[of_another]), "the answer of agent 2 is lost");
    let mut of_nobody = withdrawn.clone();
    of_nobody.1[0].agent_name = "another".into();
    one(&judged::<Runbook>(&cli, &history, &[of_nobody]), "the answer of agent 2 is lost");
    history.told.insert(run(2), told(None, false));
    one(
        &judged::<Runbook>(&cli, &history, std::slice::from_ref(&withdrawn)),
        "the answer of agent 2 is lost",
    );
    let second = action(2, "cancelled", "cancelled");
    assert!(judged::<Runbook>(&cli, &history, &[withdrawn, second]).is_empty());
}

#[test]
fn an_answer_just_before_the_end_may_be_late_and_one_before_that_not() {
    let cli = cli(&["--crashing=1"]);
    let expired = action(1, "completed", "expired");
    let mut history = history();
    let at = expired.0.expire_after - Duration::from_secs(3);
    history.told.insert(run(1), Told { at, ..told(Some(1), false) });
    assert!(judged::<Mig>(&cli, &history, std::slice::from_ref(&expired)).is_empty());
    history.told.insert(run(1), told(Some(1), false));
    one(
        &judged::<Mig>(&cli, &history, std::slice::from_ref(&expired)),
        "action 1: the answer of agent 2",
    );
    history.told.insert(run(1), Told { at, ..told(Some(1), true) });
    one(&judged::<Mig>(&cli, &history, &[expired]), "action 1: the answer of agent 2");
}

#[test]
fn a_result_is_one_that_was_sent() {
    let cli = cli(&[]);
    let mut done = action(1, "completed", "success");
    show(&mut done.1[0], 1);
    let mut history = history();
    let faults = judged::<Mig>(&cli, &history, std::slice::from_ref(&done));
    assert!(faults.contains(&"action 1: agent 2: a result that nobody gave".into()), "{faults:?}");
    // sent, and cut off before anybody said what became of it
    history.unsure.insert(run(1), told(Some(1), false));
    assert!(judged::<Mig>(&cli, &history, std::slice::from_ref(&done)).is_empty());
    assert!(judged::<Mig>(&cli, &history, &[action(1, "cancelled", "cancelled")]).is_empty());
    history.told.insert(run(1), told(Some(1), true));
    assert!(judged::<Mig>(&cli, &history, std::slice::from_ref(&done)).is_empty());
    let mut twice = action(2, "completed", "success");
    show(&mut twice.1[0], 1);
    let faults = judged::<Mig>(&cli, &history, &[done, twice]);
    assert!(faults.iter().any(|fault| fault.contains("shown elsewhere too")), "{faults:?}");
}

#[test]
fn an_answer_is_shown_whole() {
    let cli = cli(&[]);
    let mut done = action(1, "completed", "success");
    show(&mut done.1[0], 1);
    let mut history = history();
    history.told.insert(run(1), told(Some(1), true));
    assert!(judged::<Mig>(&cli, &history, std::slice::from_ref(&done)).is_empty());
    let changed = |change: &dyn Fn(&mut Vec<OperationResult>)| {
        let mut changed = done.clone();
        change(&mut changed.1[0].results);
        one(&judged::<Mig>(&cli, &history, &[changed]), "another answer than it gave");
    };
    changed(&|results| results.push(OperationResult::default()));
    changed(&|results| results[0].elements["fill"] = "x".into());
    changed(&|results| results[0].foundanything = false);
    changed(&|results| results[0].success = false);
    // one of two results is missing
    history.told.get_mut(&run(1)).unwrap().operations = 2;
    one(&judged::<Mig>(&cli, &history, &[done]), "another answer than it gave");
}

#[test]
fn the_counters_are_a_sum() {
    let mut done = action(1, "completed", "success");
    show(&mut done.1[0], 1);
    let mut history = history();
    history.told.insert(run(1), told(Some(1), true));
    let mut another = done.1[0].clone();
    (another.agent_name, another.results) = ("another".into(), vec![]);
    done.1.push(another);
    done.0.counters.targeted = 2;
    let faults = judged::<Mig>(&cli(&[]), &history, std::slice::from_ref(&done));
    assert!(faults.iter().any(|fault| fault.contains("and the others are 1")), "{faults:?}");
    done.0.counters.success = 2;
    assert!(judged::<Mig>(&cli(&[]), &history, &[done]).is_empty());
}

#[test]
fn a_list_has_the_commands_that_are_in_its_state() {
    let (terms, revoked) = (Terms::of::<Mig>(&cli(&[])), HashSet::new());
    let history = history();
    let (view, commands) = action(1, "completed", "expired");
    let mut ledger = Ledger::new(&terms, &history, &revoked);
    ledger.judge_list(&view, "expired", &commands, &commands);
    ledger.judge_list(&view, "waiting", &commands, &[]);
    assert!(ledger.faults.is_empty(), "{:?}", ledger.faults);
    ledger.judge_list(&view, "expired", &commands, &[]);
    one(&ledger.faults, "its list of expired has 0, and 1 are");
    ledger.judge_list(&view, "waiting", &commands, &commands);
    assert_eq!(ledger.faults.len(), 2);
}

#[test]
fn the_actions_that_were_to_be_were() {
    let cli = cli(&["--actions=1"]);
    one(&judged::<Mig>(&cli, &history(), &[]), "1 actions were to be, and there are 0");
    let mut open = action(1, "inflight", "waiting");
    open.0.expire_after = now() + Duration::from_mins(1);
    one(&judged::<Mig>(&cli, &history(), &[open]), "there are 1, of which 0 are over");
    assert!(judged::<Mig>(&cli, &history(), &[action(1, "cancelled", "cancelled")]).is_empty());
}

#[test]
fn a_revoked_agent_is_not_judged() {
    let (terms, history) = (Terms::of::<Mig>(&cli(&[])), history());
    let revoked = HashSet::from([AGENT]);
    let mut ledger = Ledger::new(&terms, &history, &revoked);
    let (view, commands) = action(1, "completed", "failed");
    ledger.judge(&view, &commands);
    assert!(ledger.close(None, &[view]).is_empty());
}
