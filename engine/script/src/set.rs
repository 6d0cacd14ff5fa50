//! One generation of rules: all of them compiled, or none, with the index that finds those for an alert.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfheal_core::hash::ContentHash;
use selfheal_core::index::{MatchIndex, RuleIndex};
use selfheal_core::labels::Labels;
use selfheal_core::matcher::MatcherVerdict;

use crate::compiler::Compiler;
use crate::diagnostic::{Diagnostic, Source};
use crate::rule::Rule;

/// A rule's text with its name. Cloning it copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The rule's name, which is the file's without its ending.
    pub name: Arc<str>,
    /// The file as people are told of it, for example `rules/high_error_rate.rhai`.
    pub path: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

impl RuleFile {
    /// A rule's text.
    pub fn new(name: impl Into<Arc<str>>, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), path: path.into(), text: text.into() }
    }
}

/// One generation of rules. Immutable; a reload makes another and swaps the whole.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    index: MatchIndex,
    hash: ContentHash,
}

impl RuleSet {
    /// Compiles all files.
    ///
    /// # Errors
    /// What is wrong with any of them, in the order of their names; there is no set then.
    ///
    /// # Panics
    /// With 2^32 rules or more.
    pub fn build(compiler: &Compiler, files: Vec<RuleFile>) -> Result<Self, Vec<Diagnostic>> {
        Self::build_from(None, compiler, files)
    }

    /// Compiles the files that are not, with the same name, path and text, in the previous set.
    ///
    /// # Errors
    /// As [`RuleSet::build`].
    ///
    /// # Panics
    /// With 2^32 rules or more.
    pub fn build_from(
        previous: Option<&Self>,
        compiler: &Compiler,
        mut files: Vec<RuleFile>,
    ) -> Result<Self, Vec<Diagnostic>> {
        files.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        let known: BTreeMap<&str, &Arc<Rule>> = previous
            .into_iter()
            .flat_map(|set| &set.rules)
            .filter(|rule| compiler.made(rule))
            .map(|rule| (rule.name(), rule))
            .collect();
        let (mut rules, mut faults) = (Vec::with_capacity(files.len()), Vec::new());
        for pair in files.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            faults.push(twice(&pair[0], &pair[1]));
        }
        for file in &files {
            match known.get(&*file.name).filter(|rule| rule.file() == file) {
                Some(rule) => rules.push(Arc::clone(rule)),
                None => match compiler.compile_file(file) {
                    Ok(rule) => rules.push(Arc::new(rule)),
                    Err(found) => faults.extend(found),
                },
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let index = MatchIndex::new(rules.iter().map(|rule| rule.header().matchers.clone()).collect());
        let hash =
            ContentHash::of_parts(files.iter().flat_map(|file| [file.name.as_bytes(), file.text.as_bytes()]));
        Ok(Self { rules, index, hash })
    }

    /// All rules, by ascending name.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// A rule by its place in [`RuleSet::rules`].
    pub fn rule(&self, index: RuleIndex) -> Option<&Arc<Rule>> {
        self.rules.get(index as usize)
    }

    /// A rule by its name, with its place.
    pub fn find(&self, name: &str) -> Option<(RuleIndex, &Arc<Rule>)> {
        let at = self.rules.binary_search_by(|rule| rule.name().cmp(name)).ok()?;
        let index = RuleIndex::try_from(at).expect("the index was built, so there are fewer than 2^32 rules");
        Some((index, &self.rules[at]))
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What names this generation: a hash over the names and texts of its rules.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// What is probably not as it was meant in any rule.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.rules.iter().flat_map(|rule| rule.warnings())
    }

    /// The rules whose matchers hold, most urgent first, then by name.
    pub fn matching(&self, labels: &Labels) -> Vec<RuleIndex> {
        let mut found = Vec::new();
        self.matching_into(labels, &mut found);
        found
    }

    /// [`RuleSet::matching`] without an allocation for each alert; what `found` held is dropped.
    pub fn matching_into(&self, labels: &Labels, found: &mut Vec<RuleIndex>) {
        self.index.matching(labels, found);
        // Places ascend by name already.
        found.sort_by_key(|index| self.rules[*index as usize].header().priority);
    }

    /// What each matcher of a rule says of these labels; `None` where there is no such rule.
    pub fn explain(&self, rule: RuleIndex, labels: &Labels) -> Option<Vec<MatcherVerdict>> {
        self.index.explain(rule, labels)
    }
}

fn twice(first: &RuleFile, second: &RuleFile) -> Diagnostic {
    let source = Source { file: &second.path, text: "" };
    let message = format!("the rule {} is also in {}", second.name, first.path);
    source.error(rhai::Position::NONE, message, Some("give one of the files another name".to_owned()))
}
