//! What can be typed to search, and to list agents.

use super::Output;
use clap::{Args, ValueEnum};

/// Lists what can be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Orders.
    Action,
    /// What one agent was told by one action, with its answer.
    Command,
    /// Machines.
    Agent,
    /// People and tools.
    Investigator,
    /// What loaders install.
    Manifest,
    /// What installs agents.
    Loader,
}

const SEARCH_HELP: &str = "\
Names are patterns: upper and lower case are the same, '%' stands for any text and '_' for any character.
Times are RFC 3339: 2026-11-21T12:00:00Z.

Examples:
  writ search action --action-name '%passwd%' --after 2026-11-01T00:00:00Z
  writ search command --action-id 7 --found true -o jsonl
  writ search agent --target \"environment->>'os'='linux' AND status='online'\"";

/// Holds the arguments of `search`.
#[derive(Debug, Args)]
#[command(after_help = SEARCH_HELP)]
pub struct Search {
    /// What is searched for.
    #[arg(value_enum)]
    pub subject: Subject,
    /// What must be so.
    #[command(flatten)]
    pub filter: Filter,
    /// How many are printed at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How many are left out first.
    #[arg(long, default_value_t = 0)]
    pub offset: u32,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}

/// Says what must be so of what is found.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What must be so")]
pub struct Filter {
    /// The action's number.
    #[arg(long, alias = "actionid", value_name = "ID")]
    pub action_id: Option<i64>,
    /// The action's name.
    #[arg(long, alias = "actionname", value_name = "PATTERN")]
    pub action_name: Option<String>,
    /// Not before this time: an action's begin, a command's start, the last an agent or loader was heard of, the last
    /// change of an investigator, the time of a manifest.
    #[arg(long, value_name = "TIME")]
    pub after: Option<String>,
    /// Not after this time; of an action it is its end that counts.
    #[arg(long, value_name = "TIME")]
    pub before: Option<String>,
    /// The agent's number.
    #[arg(long, alias = "agentid", value_name = "ID")]
    pub agent_id: Option<i64>,
    /// The agent's name.
    #[arg(long, alias = "agentname", value_name = "PATTERN")]
    pub agent_name: Option<String>,
    /// The agent's version.
    #[arg(long, alias = "agentversion", value_name = "PATTERN")]
    pub agent_version: Option<String>,
    /// The command's number.
    #[arg(long, alias = "commandid", value_name = "ID")]
    pub command_id: Option<i64>,
    /// Whether the command ended well and an operation of it found something, or found nothing.
    #[arg(long, alias = "foundanything", value_name = "true|false")]
    pub found: Option<bool>,
    /// The number of an investigator who signed.
    #[arg(long, alias = "investigatorid", value_name = "ID")]
    pub investigator_id: Option<i64>,
    /// The name of an investigator who signed.
    #[arg(long, alias = "investigatorname", value_name = "PATTERN")]
    pub investigator_name: Option<String>,
    /// The loader's number.
    #[arg(long, alias = "loaderid", value_name = "ID")]
    pub loader_id: Option<i64>,
    /// The loader's name.
    #[arg(long, alias = "loadername", value_name = "PATTERN")]
    pub loader_name: Option<String>,
    /// The manifest's number.
    #[arg(long, alias = "manifestid", value_name = "ID")]
    pub manifest_id: Option<i64>,
    /// The manifest's name.
    #[arg(long, alias = "manifestname", value_name = "PATTERN")]
    pub manifest_name: Option<String>,
    /// The status.
    #[arg(long, value_name = "PATTERN")]
    pub status: Option<String>,
    /// Agents that this target reaches, in the target language; nothing else counts beside it.
    #[arg(short, long)]
    pub target: Option<String>,
    /// The family of the action's threat.
    #[arg(long, alias = "threatfamily", value_name = "PATTERN")]
    pub threat_family: Option<String>,
}

impl Filter {
    /// Gives the parameters by the names that the server knows (specs/mig/api.md §4).
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let numbers = [
            ("actionid", self.action_id),
            ("agentid", self.agent_id),
            ("commandid", self.command_id),
            ("investigatorid", self.investigator_id),
            ("loaderid", self.loader_id),
            ("manifestid", self.manifest_id),
        ];
        let texts = [
            ("actionname", &self.action_name),
            ("after", &self.after),
            ("before", &self.before),
            ("agentname", &self.agent_name),
            ("agentversion", &self.agent_version),
            ("investigatorname", &self.investigator_name),
            ("loadername", &self.loader_name),
            ("manifestname", &self.manifest_name),
            ("status", &self.status),
            ("target", &self.target),
            ("threatfamily", &self.threat_family),
        ];
        let numbers =
            numbers.into_iter().map(|(name, number)| (name, number.map(|n| n.to_string())));
        let texts = texts.into_iter().map(|(name, text)| (name, text.clone()));
        let found = [("foundanything", self.found.map(|found| found.to_string()))];
        let all = numbers.chain(texts).chain(found);
        all.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Holds the arguments of `agents`.
#[derive(Debug, Args)]
pub struct Agents {
    /// May be left out.
    #[arg(value_parser = ["ls"], hide = true)]
    pub verb: Option<String>,
    /// Only those that this target reaches now, in the target language.
    #[arg(short, long)]
    pub target: Option<String>,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}
