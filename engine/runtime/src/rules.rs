//! The rule set in use. It is replaced as a whole or not at all; who began with one goes on with it. The journal has its
//! texts, so that a start with files that are refused goes on with it, too.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::labels::Labels;
use selfheal_script::{Compiler, Diagnostic, Rule, RuleFile, RuleSet, Severity};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::feed::Change;
use crate::ports::JournalFault;
use crate::ports::journal::{IssueFilter, Write};

/// The journal's name for the texts of the rules that were last taken into use, and for their hash.
const TEXTS: &str = "rules";
const HASH: &str = "rules_hash";
/// Texts of more than this, in bytes, are not kept in the journal.
const TEXTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Rules as the journal keeps them: what is gone on with when the files are refused at a start.
#[derive(Serialize, Deserialize)]
struct Texts {
    since: Timestamp,
    files: Vec<Text>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    name: Arc<str>,
    path: Arc<str>,
    text: Arc<str>,
}

impl Texts {
    fn of(generation: &Generation) -> Self {
        let files = generation.set.rules().iter().map(|rule| {
            let RuleFile { name, path, text } = rule.file().clone();
            Text { name, path, text }
        });
        Self { since: generation.since, files: files.collect() }
    }

    fn files(self) -> Vec<RuleFile> {
        self.files.into_iter().map(|file| RuleFile::new(file.name, file.path, file.text)).collect()
    }
}

/// A rule set with its place in the order of rule sets.
pub struct Generation {
    /// From 1; grows with every set that is taken into use.
    pub generation: u64,
    /// When it was taken into use.
    pub since: Timestamp,
    /// The rules.
    pub set: RuleSet,
}

impl Generation {
    /// The rules that are for an alert, most urgent first, then by name.
    pub fn matching(&self, labels: &Labels) -> Vec<Arc<Rule>> {
        matching(&self.set, labels)
    }

    /// A rule by its name.
    pub fn rule(&self, name: &str) -> Option<&Arc<Rule>> {
        self.set.find(name).map(|(_, rule)| rule)
    }
}

/// The rules of a set that are for an alert, most urgent first, then by name.
pub(crate) fn matching(set: &RuleSet, labels: &Labels) -> Vec<Arc<Rule>> {
    set.matching(labels).into_iter().filter_map(|index| set.rule(index).cloned()).collect()
}

/// Why the newest texts are not in use.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When they were refused.
    pub at: Timestamp,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
}

impl Refusal {
    /// The first fault, on one line.
    pub fn first(&self) -> String {
        let error = self.diagnostics.iter().find(|found| found.severity == Severity::Error);
        error.map_or_else(String::new, |first| match first.line {
            0 => format!("{}: {}", first.file, first.message),
            line => format!("{}:{line}: {}", first.file, first.message),
        })
    }
}

/// The rules in use, and why newer ones are not.
pub struct Rules {
    compiler: Compiler,
    current: ArcSwap<Generation>,
    refusal: Mutex<Option<Refusal>>,
    /// Since when an earlier process had the rules that are in use from the journal, if they are from there.
    recalled: Mutex<Option<Timestamp>>,
}

impl Rules {
    pub(crate) fn new(compiler: Compiler, now: Timestamp) -> Self {
        let set = RuleSet::build(&compiler, Vec::new()).expect("no text has no faults");
        let empty = Generation { generation: 0, since: now, set };
        Self {
            compiler,
            current: ArcSwap::from_pointee(empty),
            refusal: Mutex::default(),
            recalled: Mutex::default(),
        }
    }

    /// The rules in use.
    pub fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// The compiler, to try a text.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// Why the newest texts are not in use, if they are not.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the rules in use are those that an earlier process had, because the texts have been refused since this one
    /// started: since when that had them.
    pub fn recalled(&self) -> Option<Timestamp> {
        *self.recalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is done about an alert that no rule in use is for.
    pub(crate) fn unmatched(&self) -> String {
        match (self.current.load().set.is_empty(), self.refusal()) {
            (true, Some(refusal)) => format!("no rules are loaded: {}", refusal.first()),
            (true, None) => "no rules are loaded".to_owned(),
            (false, _) => "no rule is for this alert".to_owned(),
        }
    }

    /// Takes a set into use.
    fn take(&self, set: RuleSet, now: Timestamp, recalled: Option<Timestamp>) -> Arc<Generation> {
        let generation = self.current.load().generation + 1;
        let next = Arc::new(Generation { generation, since: now, set });
        self.current.store(Arc::clone(&next));
        *self.recalled.lock().unwrap_or_else(PoisonError::into_inner) = recalled;
        next
    }

    /// Takes texts into use, all of them or none. The same texts as before change nothing.
    pub(crate) fn load(
        &self,
        files: Vec<RuleFile>,
        now: Timestamp,
    ) -> Result<Option<Arc<Generation>>, Refusal> {
        let current = self.current.load();
        let built = RuleSet::build_from(Some(&current.set), &self.compiler, files);
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        match built {
            Ok(set) => {
                *refusal = None;
                if current.generation > 0 && set.hash() == current.set.hash() {
                    *self.recalled.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    return Ok(None);
                }
                Ok(Some(self.take(set, now, None)))
            }
            Err(diagnostics) => Err(refusal.insert(Refusal { at: now, diagnostics }).clone()),
        }
    }

    /// The newest texts cannot even be tried.
    fn refuse(&self, diagnostics: Vec<Diagnostic>, now: Timestamp) -> Refusal {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.insert(Refusal { at: now, diagnostics }).clone()
    }
}

impl Engine {
    /// Takes rule texts into use, all of them or none; open issues that no rule was for are matched again.
    ///
    /// # Errors
    /// What is wrong with the texts. The rules in use stay.
    pub async fn load_rules(&self, files: Vec<RuleFile>) -> Result<Arc<Generation>, Refusal> {
        let was_refused = self.rules.refusal().is_some();
        match self.rules.load(files, self.clock.now()) {
            Ok(None) => {
                if was_refused {
                    self.feed.tell(Change { rules: true, ..Change::default() });
                }
                Ok(self.rules.current())
            }
            Ok(Some(generation)) => {
                self.metrics.reloads.with_label_values(&["loaded"]).inc();
                self.tell_taken(&generation).await;
                if let Err(fault) = self.keep_texts(&generation).await {
                    tracing::warn!(%fault, "the journal could not be given the rules; a start without them will have others");
                }
                Ok(generation)
            }
            Err(refusal) => {
                self.tell_refused();
                Err(refusal)
            }
        }
    }

    /// Notes that the newest rule texts cannot be read, as whoever reads them says. The rules in use stay.
    pub fn refuse_rules(&self, diagnostics: Vec<Diagnostic>) -> Refusal {
        let refusal = self.rules.refuse(diagnostics, self.clock.now());
        self.tell_refused();
        refusal
    }

    fn tell_refused(&self) {
        self.metrics.reloads.with_label_values(&["refused"]).inc();
        self.feed.tell(Change { rules: true, ..Change::default() });
    }

    async fn tell_taken(&self, generation: &Generation) {
        self.feed.tell(Change { rules: true, ..Change::default() });
        self.metrics.rules_generation.set(i64::try_from(generation.generation).unwrap_or(i64::MAX));
        self.metrics.rules_loaded.set(i64::try_from(generation.set.len()).unwrap_or(i64::MAX));
        tracing::info!(generation = generation.generation, rules = generation.set.len(), "rules are in use");
        if let Err(fault) = self.match_again(generation).await {
            tracing::warn!(%fault, "issues without a rule could not be matched again");
        }
    }

    /// Gives the journal the texts of a set that was taken into use, unless it has them.
    async fn keep_texts(&self, generation: &Generation) -> Result<(), JournalFault> {
        let hash = serde_json::json!(generation.set.hash());
        if self.journal.setting(HASH).await? == Some(hash.clone()) {
            return Ok(());
        }
        let texts = Texts::of(generation);
        let bytes: usize = texts.files.iter().map(|file| file.text.len()).sum();
        if bytes > TEXTS_BYTES_MAX {
            tracing::warn!(bytes, "so many rules are not kept in the journal");
            return Ok(());
        }
        let set = |key: &str, value| Write::Set { key: key.to_owned(), value };
        let texts = serde_json::to_value(&texts).unwrap_or_default();
        self.journal.commit(vec![set(TEXTS, texts), set(HASH, hash)]).await
    }

    /// Takes the rules into use that the journal has from an earlier process, where the newest were refused before any
    /// were in use.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) async fn recall_rules(&self) -> Result<(), JournalFault> {
        if self.rules.current().generation > 0 {
            return Ok(());
        }
        let Some(value) = self.journal.setting(TEXTS).await? else { return Ok(()) };
        let texts: Texts = match serde_json::from_value(value) {
            // None were wanted, which is how it is.
            Ok(Texts { files, .. }) if files.is_empty() => return Ok(()),
            Ok(texts) => texts,
            Err(fault) => {
                tracing::error!(%fault, "the rules that the journal has cannot be read");
                return Ok(());
            }
        };
        let since = texts.since;
        match RuleSet::build(&self.rules.compiler, texts.files()) {
            Ok(set) => {
                let generation = self.rules.take(set, self.clock.now(), Some(since));
                tracing::error!(
                    %since,
                    rules = generation.set.len(),
                    "the newest rules are refused; in use are those that the journal has from before"
                );
                self.tell_taken(&generation).await;
            }
            Err(diagnostics) => {
                let first = Refusal { at: self.clock.now(), diagnostics }.first();
                tracing::error!(first, "the rules that the journal has from before cannot be used either");
            }
        }
        Ok(())
    }

    /// An issue that no rule was for may have one now; the outcome of one that was treated before does not tell.
    async fn match_again(&self, generation: &Generation) -> Result<(), JournalFault> {
        self.call_all(IssueFilter::default(), |issue| {
            let treated = issue.remediations > 0 && issue.phase == Phase::Rested && issue.wake_at.is_none();
            let asks_nobody = issue.outcome == Some(Outcome::Unmatched) || treated;
            let fires = issue.resolved_at.is_none();
            asks_nobody && fires && !generation.matching(&issue.alert.labels).is_empty()
        })
        .await
    }
}
