//! Runs the real program against a small real server.

#[cfg(test)]
mod access;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod install;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod people;
#[cfg(test)]
mod playbook;
#[cfg(test)]
mod run;
#[cfg(test)]
mod search;
#[cfg(test)]
mod step;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tls;
