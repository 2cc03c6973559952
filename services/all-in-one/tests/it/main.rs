//! All five services in one process, as `scripts/up` runs them.

#[cfg(test)]
mod disabled;
#[cfg(test)]
mod late;
#[cfg(test)]
mod process;
