//! What can be typed about actions.

use super::Output;
use crate::duration;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use time::Duration;
use types::{ActionId, Dispatch, StopWhen, Wave};

/// Says which results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// What found something, and everything that did not end well.
    Found,
    /// Everything.
    All,
}

const RUN_HELP: &str = "\
The target's count is asked first. On a terminal you confirm it, unless --yes is given. Without a terminal an action
for one agent is sent at once; one for more agents needs --yes. One that reaches nobody is never sent.

Ctrl-C stops following, not the action: `writ wait ID` follows it again, `writ cancel ID` withdraws it.

Examples:
  writ run -t \"status='online'\" --name 'find it' --op 'file={\"searches\":{\"s1\":{\"paths\":[\"/etc\"],\"names\":[\"^passwd$\"]}}}'
  writ run -t \"tags->>'role'='db'\" --name greet --op 0190a1b2-….greet=@greet.json --yes -o jsonl --show all";

/// Holds the arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub struct Run {
    /// Which agents it is for, in the target language.
    #[arg(short, long, required_unless_present = "file")]
    pub target: Option<String>,
    /// What it is for.
    #[arg(short, long, required_unless_present = "file")]
    pub name: Option<String>,
    /// What the agents do, in order: a module and its parameters; may be repeated. '@-' is standard input.
    #[arg(long, value_name = "MODULE[=JSON|=@FILE]", required_unless_present = "file")]
    pub op: Vec<String>,
    /// When it ends, whoever has not answered: 300s, 5m, 1h30m, 2d.
    #[arg(short, long, default_value = "5m", value_name = "TIME", value_parser = duration::parse)]
    pub expire: Duration,
    /// An action to start from (MIG's JSON); its times and signatures are made anew.
    #[arg(short, long, value_name = "ACTION.json")]
    pub file: Option<PathBuf>,
    /// How its commands are given out.
    #[command(flatten)]
    pub pace: Pace,
    /// Send it without asking, however many agents it is for.
    #[arg(short, long)]
    pub yes: bool,
    /// Send it, print its id and end.
    #[arg(long)]
    pub no_follow: bool,
    /// How it is followed.
    #[command(flatten)]
    pub follow: Follow,
}

/// Says how the commands of an action are given out; without any of it, all at once.
#[derive(Debug, Clone, Args)]
pub struct Pace {
    /// Give out so many commands a second at most.
    #[arg(long, value_name = "NUMBER")]
    pub rate: Option<f64>,
    /// Give them out in waves of so many agents, each when the one before has answered: 1,10,100,all. The last one is
    /// repeated until no agent is left.
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = wave)]
    pub waves: Vec<Wave>,
    /// Pause when such a part of the commands given out has failed: 0.1 is one of ten. Needs --rate, or --waves of which
    /// the first is a number.
    #[arg(long, value_name = "PART")]
    pub stop_when_failed: Option<f64>,
    /// Pause when so many agents took too long. Needs --rate, or --waves of which the first is a number.
    #[arg(long, value_name = "NUMBER")]
    pub stop_when_timeouts: Option<i64>,
}

impl Pace {
    /// Gives what the server is asked for; nothing for all at once.
    pub fn dispatch(&self) -> Option<Dispatch> {
        let stop =
            StopWhen { failed_ratio: self.stop_when_failed, timeouts: self.stop_when_timeouts };
        let dispatch = Dispatch {
            rate_per_second: self.rate,
            waves: self.waves.clone(),
            stop_when: (stop != StopWhen::default()).then_some(stop),
        };
        (dispatch != Dispatch::default()).then_some(dispatch)
    }
}

fn wave(text: &str) -> Result<Wave, String> {
    match text.trim() {
        "all" => Ok(Wave::All),
        number => number
            .parse()
            .map(Wave::Of)
            .map_err(|_cause| "a wave is a number of agents, or all; as in 1,10,100,all".into()),
    }
}

/// Says how an action is followed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Follow {
    /// Which results are printed.
    #[arg(long, value_enum, default_value = "found")]
    pub show: Show,
    /// How data is written; jsonl as it comes, the others at the end.
    #[command(flatten)]
    pub output: Output,
    /// How long to follow at most [default: one minute past the action's end].
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}

/// Holds the arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}

/// Holds the arguments of `results`.
#[derive(Debug, Args)]
pub struct Results {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
    /// Only commands in this state: `expired`, for example, are the agents that did not answer.
    #[arg(long, value_parser = ["waiting", "delivered", "success", "failed", "timeout", "expired", "cancelled"])]
    pub status: Option<String>,
    /// Which results are printed.
    #[arg(long, value_enum, default_value = "all")]
    pub show: Show,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}

/// Holds the arguments of `wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
    /// How it is followed.
    #[command(flatten)]
    pub follow: Follow,
}

/// Holds the arguments of `cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
}

/// Lists what can be done with the order itself.
#[derive(Debug, Subcommand)]
pub enum ActionCommand {
    /// Print what people wrote of an action, without times and signatures: the start of a new one (`run --file`).
    Copy(Copy),
    /// Show an action: how it is, who signed it, what it orders, what came back.
    Show(ShowAction),
    /// Give no more of its commands out for now; those that are out go on.
    Pause(Steer),
    /// Let it go on, also when it stopped by itself.
    Resume(Steer),
}

/// Holds the arguments of `action pause` and `action resume`.
#[derive(Debug, Args)]
pub struct Steer {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
}

/// Holds the arguments of `action copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
}

/// Holds the arguments of `action show`.
#[derive(Debug, Args)]
pub struct ShowAction {
    /// The action.
    #[arg(value_parser = action)]
    pub id: ActionId,
    /// Which results are printed.
    #[arg(long, value_enum, default_value = "found")]
    pub show: Show,
    /// How data is written; JSON has everything.
    #[command(flatten)]
    pub output: Output,
}

fn action(text: &str) -> Result<ActionId, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(ActionId(number)),
        _ => Err("an action's id is a positive number".into()),
    }
}
