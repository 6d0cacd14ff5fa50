//! Watches the directory of rules and takes changes into use.
//!
//! Whatever an editor or a Kubernetes ConfigMap does (writing through a temporary file, swapping a symbolic link,
//! replacing the directory), the answer is the same: read all rules again, and take them as a whole or not at all.
//! Events of the file system make that prompt; a look at intervals makes it certain.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use selfheal_runtime::Engine;
use selfheal_script::RuleFile;
use tokio::sync::mpsc;

use crate::rights;

/// The ending of a rule's file.
const ENDING: &str = "rhai";
/// The longest rule, in bytes; what is longer is cut, and then refused by the compiler for its length.
const RULE_BYTES_MAX: u64 = 64 * 1024 + 1;
/// How long to wait for more changes after one: editors make several in a row.
const QUIET: Duration = Duration::from_millis(50);
/// How often the directory is looked at without an event.
const LOOK: Duration = Duration::from_secs(5);

/// Rules that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RulesUnreadable {
    /// Their directory cannot be listed.
    #[error("the rules in {path} cannot be read: {problem}; name the directory that holds the *.rhai files")]
    Directory {
        /// The directory.
        path: String,
        /// Why not.
        problem: std::io::Error,
    },
    /// One of them cannot be read.
    #[error("the rule {path} cannot be read: {problem}")]
    Rule {
        /// The file.
        path: String,
        /// Why not.
        problem: std::io::Error,
    },
}

/// Reads all rules of a directory, in the order of their names.
///
/// # Errors
/// The directory or one of its rules cannot be read. Then nothing is: a set without one of its rules is another set.
pub fn read_rules(directory: &Path) -> Result<Vec<RuleFile>, RulesUnreadable> {
    let mut files = Vec::new();
    for path in rule_paths(directory)
        .map_err(|problem| RulesUnreadable::Directory { path: directory.display().to_string(), problem })?
    {
        let text = read_bounded(&path)
            .map_err(|problem| RulesUnreadable::Rule { path: path.display().to_string(), problem })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.push(RuleFile::new(name, path.display().to_string(), text));
    }
    Ok(files)
}

/// The files of rules. Hidden ones are not: editors keep their copies there.
fn rule_paths(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|ending| ending == ENDING) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(RULE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// What tells one state of a directory from another without reading its files.
type Look = Option<Vec<(PathBuf, Option<SystemTime>, u64)>>;

fn look(directory: &Path) -> Look {
    let paths = rule_paths(directory).ok()?;
    let stat = |path: PathBuf| {
        let stat = std::fs::metadata(&path).ok();
        let changed = stat.as_ref().and_then(|stat| stat.modified().ok());
        (path, changed, stat.map_or(0, |stat| stat.len()))
    };
    Some(paths.into_iter().map(stat).collect())
}

/// Takes changes into use for as long as the process runs.
pub async fn run(engine: Arc<Engine>, directory: PathBuf) {
    let (events, mut changed) = mpsc::channel::<()>(1);
    let mut watcher = watch(&directory, events.clone());
    let mut seen = look(&directory);
    loop {
        tokio::select! {
            _ = changed.recv() => {
                tokio::time::sleep(QUIET).await;
                while changed.try_recv().is_ok() {}
            }
            () = tokio::time::sleep(LOOK) => {
                let now = look(&directory);
                if now == seen {
                    continue;
                }
                // The watch may have ended with the directory that it was for.
                watcher = watch(&directory, events.clone());
            }
        }
        if watcher.is_none() {
            watcher = watch(&directory, events.clone());
        }
        seen = look(&directory);
        take(&engine, &directory).await;
    }
}

fn watch(directory: &Path, events: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let told = move |event: notify::Result<notify::Event>| {
        let only_read = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !only_read {
            // One call is enough for any number of changes.
            let _ = events.try_send(());
        }
    };
    let made = notify::recommended_watcher(told).and_then(|mut watcher| {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    made.inspect_err(|fault| tracing::warn!(%fault, "rules are not watched, but looked at every {LOOK:?}"))
        .ok()
}

async fn take(engine: &Arc<Engine>, directory: &Path) {
    let path = directory.to_owned();
    let read = tokio::task::spawn_blocking(move || read_rules(&path)).await;
    let files = match read {
        Ok(Ok(files)) => files,
        Ok(Err(fault)) => return tracing::error!(%fault, "rules cannot be read; those in use stay"),
        Err(fault) => return tracing::error!(%fault, "rules cannot be read; those in use stay"),
    };
    let before = engine.rules.current().generation;
    match engine.load_rules(files).await {
        // Other rules may need other rights.
        Ok(now) if now.generation != before => drop(tokio::spawn(rights::check(Arc::clone(engine)))),
        Ok(_) => {}
        Err(refusal) => tell_refusal(&refusal.diagnostics),
    }
}

/// Says why rules are not in use.
pub fn tell_refusal(diagnostics: &[selfheal_script::Diagnostic]) {
    for diagnostic in diagnostics {
        tracing::error!(%diagnostic, "a rule cannot be used; those in use stay");
    }
}
