//! Tests of rules: what a rule does about alerts, told in YAML, and tried by the real engine in virtual time.
//!
//! ```text
//! file (YAML) -> house (engine, journal, ledger; a stage in place of targets) -> facts -> differences -> report
//! ```
//!
//! Everything between the notification and the adapters is what runs in production: rules, guards, journal, ledger,
//! execution, news. In place of targets is a [`stage`]: the real adapters check every parameter and say what an action
//! means, but readings come from the test, and actions are only written down. A test depends on its file and on the
//! rules alone, never on the configuration, the environment or the time of day.

mod call;
mod differ;
mod expected;
mod facts;
mod file;
mod given;
mod house;
mod plan_text;
mod report;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use selfheal_script::{Coverage, Diagnostic, RuleFile};

use crate::watch::{self, RulesUnreadable};
pub use differ::Difference;
use file::{Test, TestFile};
use house::Tried;
pub use report::{Ran, Report, RuleCoverage};

/// The folder of tests beside the rules.
const TESTS: &str = "tests";
/// The longest file of tests, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The stack of a thread that runs tests, and in them scripts: as where they run in production.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// Which tests to run.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The directory of rules; its tests are in the folder `tests`.
    pub directory: PathBuf,
    /// Only tests whose file and name, joined by `: `, contain this.
    pub filter: Option<String>,
}

/// Why no test was run.
#[derive(Debug, thiserror::Error)]
pub enum TestsFault {
    /// The directory of rules cannot be read.
    #[error("{0}")]
    Rules(#[from] RulesUnreadable),
    /// The tests cannot be read.
    #[error("{path} cannot be read: {fault}")]
    Unreadable {
        /// The file or directory.
        path: String,
        /// Why not.
        fault: std::io::Error,
    },
    /// Files of tests have faults: a page, each with its line.
    #[error("{0}")]
    Refused(String),
    /// The rules do not compile with the settings of a file of tests.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Compile(Vec<Diagnostic>),
    /// There are no tests.
    #[error("{0}")]
    Nothing(String),
    /// The machinery of a test failed.
    #[error("a test could not be carried out: {0}")]
    Machinery(String),
}

/// Runs the tests of a directory of rules, several at a time; reports them in the order of files and lines.
///
/// Blocks until all have run. Must be called where tokio runs: adapters are made ready there.
///
/// # Errors
/// The rules or the tests cannot be used. That a test fails is no error; it is in the report.
pub fn run(selection: &Selection) -> Result<Report, TestsFault> {
    let began = Instant::now();
    let rules = watch::read_rules(&selection.directory)?;
    let files = read(&selection.directory, &rules)?;
    let is_chosen = |file: &TestFile, test: &Test| {
        let name = format!("{}: {}", file.path, test.name);
        selection.filter.as_ref().is_none_or(|part| name.contains(part))
    };
    let all = files.iter().flat_map(|file| file.tests.iter().map(move |test| (file, test)));
    let chosen: Vec<(&TestFile, &Test)> = all.filter(|(file, test)| is_chosen(file, test)).collect();
    if chosen.is_empty() {
        let what = selection.filter.as_deref().unwrap_or_default();
        return Err(TestsFault::Nothing(format!(
            "no test has {what:?} in its file and name, which are printed as `file: name` without --filter"
        )));
    }
    let coverage = Coverage::default();
    let mut report = Report::default();
    let mut parts = BTreeMap::new();
    for (tried, (file, test)) in try_out_all(&chosen, &coverage)?.into_iter().zip(chosen) {
        parts.extend(tried.parts);
        let (file, name, line) = (file.path.clone(), test.name.clone(), test.line);
        report.tests.push(Ran { file, line, name, differences: tried.differences });
    }
    let reached = |rule: &RuleFile| RuleCoverage::of(rule, parts.get(&*rule.name), &coverage);
    report.rules = rules.iter().map(reached).collect();
    report.took = began.elapsed();
    Ok(report)
}

/// Runs tests on as many threads as the machine has processors, each test in a world of its own.
fn try_out_all(chosen: &[(&TestFile, &Test)], coverage: &Coverage) -> Result<Vec<Tried>, TestsFault> {
    let machinery = |fault: std::io::Error| TestsFault::Machinery(fault.to_string());
    let next = AtomicUsize::new(0);
    let work = || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(machinery)?;
        let mut done = Vec::new();
        while let Some((index, (file, test))) = take(&next, chosen) {
            done.push((index, runtime.block_on(house::try_out(file, test, coverage))?));
        }
        Ok(done)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(chosen.len());
    let mut tried = std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let threads: Vec<_> = (0..threads).map(start).collect::<Result<_, _>>().map_err(machinery)?;
        let mut tried = Vec::new();
        for thread in threads {
            let ended =
                thread.join().unwrap_or_else(|_| Err(TestsFault::Machinery("it panicked".to_owned())));
            tried.extend(ended?);
        }
        Ok::<_, TestsFault>(tried)
    })?;
    tried.sort_by_key(|(index, _)| *index);
    Ok(tried.into_iter().map(|(_, tried)| tried).collect())
}

fn take<T: Copy>(next: &AtomicUsize, all: &[T]) -> Option<(usize, T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    all.get(index).map(|one| (index, *one))
}

/// Reads all files of tests, so that all their faults are told at once.
fn read(directory: &Path, rules: &[RuleFile]) -> Result<Vec<TestFile>, TestsFault> {
    let folder = directory.join(TESTS);
    let unreadable = |path: &Path, fault| TestsFault::Unreadable { path: path.display().to_string(), fault };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|fault| unreadable(&folder, fault))? {
        let path = entry.map_err(|fault| unreadable(&folder, fault))?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        let folder = folder.display();
        return Err(TestsFault::Nothing(format!(
            "there are no tests in {folder}: write one as {folder}/my_rule.yaml"
        )));
    }
    let (mut files, mut pages) = (Vec::new(), Vec::new());
    for path in paths {
        let text = read_bounded(&path).map_err(|fault| unreadable(&path, fault))?;
        match file::read(&text, &path.display().to_string(), rules) {
            Ok(file) => files.push(file),
            Err(page) => pages.push(page),
        }
    }
    if pages.is_empty() { Ok(files) } else { Err(TestsFault::Refused(pages.join("\n"))) }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
