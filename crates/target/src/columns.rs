//! Which columns a target may name, what they hold, and what they are called in our own tables.

use std::fmt::{self, Display};

/// Names what a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text.
    Text,
    /// A whole number.
    Int,
    /// A number with at most 18 digits before and 18 after the point.
    Num,
    /// True or false.
    Bool,
    /// A moment.
    Time,
    /// A span of time.
    Interval,
    /// An address with its prefix length.
    Inet,
    /// A JSON document.
    Json,
}

impl Type {
    /// Gives the name that PostgreSQL knows it by.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "bigint",
            Self::Num => "numeric",
            Self::Bool => "boolean",
            Self::Time => "timestamptz",
            Self::Interval => "interval",
            Self::Inet => "inet",
            Self::Json => "jsonb",
        }
    }

    /// Gives the name that canonical targets know it by; `json` as MIG's columns are of that type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            _ => self.sql(),
        }
    }

    /// Reads the name after `::`; `int` is as wide as `bigint` here.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "text" | "varchar" => Self::Text,
            "int" | "integer" | "int4" | "bigint" | "int8" => Self::Int,
            "numeric" | "decimal" => Self::Num,
            "boolean" | "bool" => Self::Bool,
            "timestamptz" | "timestamp" => Self::Time,
            "interval" => Self::Interval,
            "inet" => Self::Inet,
            "json" | "jsonb" => Self::Json,
            _ => return None,
        })
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Int => "a whole number",
            Self::Num => "a number",
            Self::Bool => "true or false",
            Self::Time => "a time",
            Self::Interval => "an interval",
            Self::Inet => "an address",
            Self::Json => "a JSON value",
        })
    }
}

/// Is one column: MIG's name, the expression in our tables, and what it holds.
pub(crate) type Column = (&'static str, &'static str, Type);

/// Maps the names that targets use to expressions over one of our tables.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// MIG's name of the table, which may stand before a column.
    pub(crate) table: &'static str,
    /// Whether the table `command` can be asked what was found.
    pub(crate) commands: bool,
    map: &'static [Column],
}

impl Columns {
    /// Gives the columns of agents: expressions over the table alias `agent`.
    pub fn agents() -> Self {
        Self { table: "agents", commands: true, map: AGENTS }
    }

    /// Gives the columns of loaders: expressions over the table alias `loader`.
    pub fn loaders() -> Self {
        Self { table: "loaders", commands: false, map: LOADERS }
    }

    /// Gives the names that targets may use.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.map.iter().map(|(name, _, _)| *name)
    }

    /// Finds a column by MIG's name, in lower case.
    pub(crate) fn find(&self, name: &str) -> Option<Column> {
        self.map.iter().find(|(known, _, _)| *known == name).copied()
    }
}

const AGENTS: &[Column] = &[
    ("id", "agent.id", Type::Int),
    ("name", "agent.name", Type::Text),
    ("queueloc", "agent.queueloc", Type::Text),
    ("mode", "agent.mode", Type::Text),
    ("version", "agent.version", Type::Text),
    ("pid", "agent.pid", Type::Int),
    ("starttime", "agent.started", Type::Time),
    ("destructiontime", "agent.destroyed", Type::Time),
    ("heartbeattime", "agent.last_seen", Type::Time),
    ("refreshtime", "agent.refreshed", Type::Time),
    ("status", "agent.status", Type::Text),
    ("environment", "agent.environment", Type::Json),
    ("tags", "agent.tags", Type::Json),
    ("loadername", "agent.loader_name", Type::Text),
];

const LOADERS: &[Column] = &[
    ("id", "loader.id", Type::Int),
    ("loadername", "loader.loader_name", Type::Text),
    ("name", "loader.name", Type::Text),
    ("env", "loader.environment", Type::Json),
    ("tags", "loader.tags", Type::Json),
    ("lastseen", "loader.last_seen", Type::Time),
    ("enabled", "loader.enabled", Type::Bool),
    ("queueloc", "loader.queueloc", Type::Text),
    ("expectenv", "loader.expect_env", Type::Text),
];
