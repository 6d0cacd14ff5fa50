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
use selfheal_script::{Diagnostic, RuleFile, Severity};
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
    /// There is none.
    #[error("{path} holds no *.rhai file; name the directory that holds the rules")]
    None {
        /// The directory.
        path: String,
    },
}

impl RulesUnreadable {
    /// The fault as one of the rules' texts, for whoever is told why these are not in use.
    pub fn diagnostic(&self) -> Diagnostic {
        let (path, message, help) = match self {
            Self::Directory { path, problem } => {
                (path, format!("the directory of rules cannot be read: {problem}"), None)
            }
            Self::Rule { path, problem } => (path, format!("the rule cannot be read: {problem}"), None),
            Self::None { path } => (
                path,
                "the directory holds no *.rhai file".to_owned(),
                Some("to use no rules at all, leave it empty and start selfheal anew"),
            ),
        };
        Diagnostic {
            file: path.clone(),
            line: 0,
            column: 0,
            message,
            source_line: String::new(),
            help: help.map(str::to_owned),
            severity: Severity::Error,
        }
    }
}

/// Reads all rules of a directory, in the order of their names.
///
/// # Errors
/// The directory or one of its rules cannot be read, or it holds none. Then nothing is read: a set without one of its rules is
/// another set, and a directory that was emptied is more often a mishap than a wish.
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
    if files.is_empty() {
        return Err(RulesUnreadable::None { path: directory.display().to_string() });
    }
    Ok(files)
}

/// The files of rules, those too that cannot be opened, such as a link to a file that is gone. Hidden ones are none: editors
/// keep their copies there.
fn rule_paths(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let named = !hidden && path.extension().is_some_and(|ending| ending == ENDING);
        // One that has gone since the directory was listed is no fault.
        if named && !path.is_dir() && std::fs::symlink_metadata(&path).is_ok() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    // A pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
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
        // As it was at the start: somebody wants it so.
        Ok(Err(RulesUnreadable::None { .. })) if engine.rules.current().set.is_empty() => Vec::new(),
        Ok(Err(fault)) => {
            engine.refuse_rules(vec![fault.diagnostic()]);
            return tell_refusal(engine);
        }
        Err(fault) => return tracing::error!(%fault, "rules cannot be read; those in use stay"),
    };
    let before = engine.rules.current().generation;
    match engine.load_rules(files).await {
        // Other rules may need other rights.
        Ok(now) if now.generation != before => drop(tokio::spawn(rights::check(Arc::clone(engine)))),
        Ok(_) => {}
        Err(_) => tell_refusal(engine),
    }
}

/// Says why the newest rules are not in use, if they are not.
pub fn tell_refusal(engine: &Engine) {
    let Some(refusal) = engine.rules.refusal() else { return };
    let used = engine.rules.current().set.len();
    for diagnostic in refusal.diagnostics.iter().filter(|found| found.severity == Severity::Error) {
        if used > 0 {
            tracing::error!(%diagnostic, used, "the newest rules cannot be used; those in use stay");
        } else {
            tracing::error!(%diagnostic, "the rules cannot be used, and no others are in use: no alert is treated");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let read =
            || read_rules(directory.path()).map(|files| files.len()).map_err(|fault| fault.diagnostic());
        assert!(read().unwrap_err().message.contains("holds no *.rhai file"));
        std::fs::write(place("good.rhai"), "const RULE = 1;").unwrap();
        std::fs::write(place(".hidden.rhai"), [0xff]).unwrap();
        std::fs::create_dir(place("directory.rhai")).unwrap();
        std::os::unix::fs::symlink(place("gone"), place(".#good.rhai")).unwrap();
        assert_eq!(read(), Ok(1), "editors' own files and directories are none");
        for (name, what) in [("binary.rhai", "valid UTF-8"), ("dangling.rhai", "No such file")] {
            match name {
                "binary.rhai" => std::fs::write(place(name), [b'/', 0xff, 0xfe]).unwrap(),
                _ => std::os::unix::fs::symlink(place("gone"), place(name)).unwrap(),
            }
            let found = read().unwrap_err();
            assert!(found.file.ends_with(name) && found.message.contains(what), "{found}");
            std::fs::remove_file(place(name)).unwrap();
        }
        assert!(
            read_rules(&place("nowhere")).unwrap_err().diagnostic().message.contains("directory of rules")
        );
    }
}
