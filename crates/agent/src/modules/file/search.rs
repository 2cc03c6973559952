//! Applies the searches to the files of their paths and collects what matches.

use super::checks::{Check, Kind, Test};
use super::content::{self, Lines, ReadError, Reading};
use super::hashes::Algorithm;
use super::params::{Options, Plan, Search};
use super::walk::{self, Candidate, Next, Visitor};
use crate::go_text;
use crate::modules::Limit;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Counts what was done.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Hits {
    pub(super) filescount: u64,
    pub(super) openfailed: u64,
    pub(super) totalhits: u64,
}

/// Is all searches under way.
pub(super) struct Searching<'a> {
    plans: &'a [Plan],
    found: Vec<Found>,
    /// Which plans look at the tree that is being walked.
    active: Vec<usize>,
    hits: Hits,
    errors: Vec<String>,
    more_errors: u64,
    max_errors: u64,
    limit: &'a Limit,
    bytes: usize,
    cut: bool,
    complete: bool,
}

/// Is what one search found.
#[derive(Default)]
struct Found {
    entries: Vec<Value>,
    /// Which file was found by which check; the check is 0 where all have to match.
    seen: BTreeSet<(usize, PathBuf)>,
}

impl<'a> Searching<'a> {
    /// Starts with nothing found.
    pub(super) fn new(plans: &'a [Plan], max_errors: u64, limit: &'a Limit) -> Self {
        Self {
            plans,
            found: plans.iter().map(|_| Found::default()).collect(),
            active: Vec::new(),
            hits: Hits::default(),
            errors: Vec::new(),
            more_errors: 0,
            max_errors,
            limit,
            bytes: 0,
            cut: false,
            complete: false,
        }
    }

    /// Walks each path once for all searches that name it.
    pub(super) fn run(&mut self) {
        let mut roots: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for (number, plan) in self.plans.iter().enumerate() {
            for root in &plan.roots {
                roots.entry(root).or_default().push(number);
            }
        }
        for (root, active) in roots {
            let of_active = || active.iter().filter_map(|number| self.plans.get(*number));
            let depth = of_active().map(|plan| plan.max_depth).max().unwrap_or(1);
            let remote = of_active().any(|plan| plan.search.options.remotefs);
            self.active = active;
            walk::walk(root, depth, remote, self.limit, self);
            if self.limit.is_over() || self.cut {
                return;
            }
        }
        self.complete = true;
    }

    /// Tells whether every path was walked through.
    pub(super) fn is_complete(&self) -> bool {
        self.complete || self.cut
    }

    /// Gives elements, counts and errors in MIG's shape.
    pub(super) fn results(self) -> (Value, Hits, Vec<String>) {
        let mut elements = Map::new();
        for (plan, found) in self.plans.iter().zip(self.found) {
            let mut entries = found.entries;
            if plan.search.options.matchall && entries.is_empty() {
                entries.push(entry("", &echo(&plan.search), &json!(null)));
            }
            if !plan.search.options.matchall {
                for (number, check) in plan.checks.iter().enumerate() {
                    if !found.seen.iter().any(|(by, _)| *by == number) {
                        let search = echo_check(check, plan.search.paths.clone());
                        entries.push(entry("", &search, &json!(null)));
                    }
                }
            }
            elements.insert(plan.label.clone(), Value::Array(entries));
        }
        let mut errors = self.errors;
        if self.more_errors > 0 {
            errors.push(format!("and {} more errors", self.more_errors));
        }
        if self.cut {
            errors.push(format!("the results were cut at {} bytes", self.limit.max_output));
        }
        (Value::Object(elements), self.hits, errors)
    }

    fn error(&mut self, text: String) {
        if u64::try_from(self.errors.len()).is_ok_and(|errors| errors < self.max_errors) {
            self.errors.push(text);
        } else if self.max_errors > 0 {
            self.more_errors += 1;
        }
    }

    fn is_full(&self, number: usize) -> bool {
        let limit = self.plans.get(number).map_or(0, |plan| plan.match_limit);
        let found = self.found.get(number).map_or(0, |found| found.entries.len());
        u64::try_from(found).is_ok_and(|found| found >= limit)
    }

    /// Decides the checks of one search that need no more than metadata; none when the file is out already.
    fn begin(&self, number: usize, candidate: &Candidate, mode: &str) -> Option<Judged<'a>> {
        let plan = self.plans.get(number)?;
        if candidate.depth > plan.max_depth || self.is_full(number) {
            return None;
        }
        let name = candidate.path.file_name().map_or(&b"/"[..], |name| name.as_bytes());
        let passes: Vec<Option<bool>> = plan
            .checks
            .iter()
            .map(|check| check.on_metadata(name, mode, &candidate.about))
            .collect();
        let out = plan.search.options.matchall && passes.contains(&Some(false));
        (!out && !passes.is_empty()).then_some(Judged { number, plan, passes })
    }

    /// Decides the checks on the content, reading it once as it is and once inflated, as searches need it.
    fn read(&mut self, candidate: &Candidate, all: &mut [Judged<'a>]) -> Result<(), ReadError> {
        for decompress in [false, true] {
            let mut wanting: Vec<&mut Judged<'a>> = all
                .iter_mut()
                .filter(|one| one.plan.search.options.decompress == decompress)
                .filter(|one| one.passes.contains(&None))
                .collect();
            if wanting.is_empty() {
                continue;
            }
            let mut reading = Reading::default();
            for one in &wanting {
                one.ask(&mut reading);
            }
            let answers =
                reading.read(&mut content::open(&candidate.real, decompress)?, self.limit)?;
            let mut lines = answers.lines.into_iter();
            for one in &mut wanting {
                one.take(&mut lines, &answers.hashes);
            }
        }
        Ok(())
    }

    /// Adds a file that one search wants.
    fn keep(&mut self, one: &Judged<'a>, candidate: &Candidate) -> Result<(), ReadError> {
        let plan = one.plan;
        let wanted: Vec<usize> = if plan.search.options.matchall {
            if one.passes.iter().all(|passes| *passes == Some(true)) { vec![0] } else { vec![] }
        } else {
            let wanted = one.passes.iter().enumerate().filter(|(_, passes)| **passes == Some(true));
            wanted.map(|(number, _)| number).collect()
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let about = self.fileinfo(plan, candidate)?;
        let file = candidate.path.to_string_lossy();
        for check_number in wanted {
            let Some(found) = self.found.get_mut(one.number) else { continue };
            if !found.seen.insert((check_number, candidate.path.clone())) {
                continue;
            }
            let search = match plan.checks.get(check_number) {
                Some(check) if !plan.search.options.matchall => {
                    let dir = candidate.path.parent().unwrap_or(Path::new("/"));
                    echo_check(check, vec![dir.to_string_lossy().into_owned()])
                }
                _ => echo(&plan.search),
            };
            let entry = entry(&file, &search, &about);
            self.bytes = self.bytes.saturating_add(entry.to_string().len() + 1);
            if self.bytes > self.limit.max_output {
                self.cut = true;
                return Ok(());
            }
            found.entries.push(entry);
            self.hits.totalhits += 1;
        }
        Ok(())
    }

    fn fileinfo(&self, plan: &Plan, candidate: &Candidate) -> Result<Value, ReadError> {
        let mut about = json!({
            "size": candidate.about.size(),
            "mode": go_text::mode(candidate.about.mode()),
            "lastmodified": go_text::time(candidate.about.modified()?),
        });
        if plan.search.options.returnsha256 {
            let mut reading = Reading::default();
            reading.add_hash(Algorithm::Sha256);
            let decompress = plan.search.options.decompress;
            let answers =
                reading.read(&mut content::open(&candidate.real, decompress)?, self.limit)?;
            if let (Some(hash), Some(about)) =
                (answers.hashes.get(&Algorithm::Sha256), about.as_object_mut())
            {
                about.insert("sha256".into(), hex::encode_upper(hash).into());
            }
        }
        Ok(about)
    }
}

impl Visitor for Searching<'_> {
    fn file(&mut self, candidate: &Candidate) -> Next {
        self.hits.filescount += 1;
        let mode = go_text::mode(candidate.about.mode());
        let mut judged: Vec<Judged<'_>> =
            self.active.iter().filter_map(|number| self.begin(*number, candidate, &mode)).collect();
        // what cannot be read can still be wanted for its name
        let mut outcome = self.read(candidate, &mut judged);
        for one in &judged {
            outcome = outcome.and(self.keep(one, candidate));
        }
        if let Err(ReadError::Io(error)) = outcome {
            self.failed(&candidate.path, &error);
        }
        let full = self.active.iter().all(|number| self.is_full(*number));
        if full || self.cut { Next::Enough } else { Next::GoOn }
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        self.hits.openfailed += 1;
        self.error(format!("ERROR: {}: {error}", path.display()));
    }

    fn remark(&mut self, text: String) {
        self.error(text);
    }
}

/// Is a file as one search sees it: which of its checks it passes, as far as that is known.
struct Judged<'a> {
    number: usize,
    plan: &'a Plan,
    passes: Vec<Option<bool>>,
}

impl<'a> Judged<'a> {
    fn ask(&self, reading: &mut Reading<'a>) {
        for check in &self.plan.checks {
            match &check.test {
                Test::Content(regex) => {
                    let which = match (check.inverse, self.plan.search.options.macroal) {
                        (true, _) => Lines::None,
                        (false, true) => Lines::Every,
                        (false, false) => Lines::Some,
                    };
                    reading.add_regex(regex, which);
                }
                Test::Hash(algorithm, _) => reading.add_hash(*algorithm),
                _ => {}
            }
        }
    }

    fn take(
        &mut self,
        lines: &mut dyn Iterator<Item = bool>,
        hashes: &BTreeMap<Algorithm, Vec<u8>>,
    ) {
        // with macroal every line has to pass every expression, so they pass or fail together
        let contents = self.plan.checks.iter().filter(|check| check.kind == Kind::Content).count();
        let mut holds: Vec<bool> = lines.take(contents).collect();
        if self.plan.search.options.macroal {
            let together = holds.iter().all(|holds| *holds);
            holds.fill(together);
        }
        let mut holds = holds.into_iter();
        for (check, passes) in self.plan.checks.iter().zip(&mut self.passes) {
            match &check.test {
                Test::Content(_) => *passes = holds.next().map(|holds| holds ^ check.mismatch),
                Test::Hash(algorithm, want) => {
                    *passes = hashes.get(algorithm).map(|hash| (hash == want) ^ check.mismatch);
                }
                _ => {}
            }
        }
    }
}

/// Repeats a search as results do: with its limits at zero.
fn echo(search: &Search) -> Value {
    let options =
        Options { maxdepth: 0, matchlimit: 0, maxerrors: Some(0), ..search.options.clone() };
    json!(Search { options, ..search.clone() })
}

/// Repeats one check of a search in which any check may match.
fn echo_check(check: &Check, paths: Vec<String>) -> Value {
    let mut search = Search {
        paths,
        options: Options { matchall: false, maxerrors: Some(0), ..Options::default() },
        ..Search::default()
    };
    let values = match check.kind {
        Kind::Name => &mut search.names,
        Kind::Size => &mut search.sizes,
        Kind::Mode => &mut search.modes,
        Kind::Mtime => &mut search.mtimes,
        Kind::Content => &mut search.contents,
        Kind::Md5 => &mut search.md5,
        Kind::Sha1 => &mut search.sha1,
        Kind::Sha2 => &mut search.sha2,
        Kind::Sha3 => &mut search.sha3,
    };
    values.push(check.value.clone());
    json!(search)
}

/// Writes one result; a search or check that found nothing has one with an empty file name.
fn entry(file: &str, search: &Value, about: &Value) -> Value {
    let nothing = || json!({ "size": 0, "mode": "", "lastmodified": "" });
    let about = if about.is_null() { nothing() } else { about.clone() };
    json!({ "file": file, "search": search, "fileinfo": about })
}
