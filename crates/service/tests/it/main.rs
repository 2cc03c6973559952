//! A small service on real servers: how it starts, answers, fails and ends.

mod callers;
mod dialects;
mod jobs;
mod lines;
mod settings;
mod start;
mod stop;
mod support;
