//! What is wrong with a configuration, and the place where faults gather while it is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use super::node::Location;
use super::path::Path;

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The value at fault, such as `adapters.postgres.targets.main.url`; empty for the file as a whole.
    pub path: Path,
    /// Where to look in the text.
    pub at: Location,
    /// What is wrong and what was expected, in lower case and without a full stop. Never holds a secret.
    pub problem: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// Whether the value there is a secret, so that the line must not be shown with it.
    pub secret: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if !self.path.as_str().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// All faults of a configuration, in the order of its text; at least one. Displays one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Where faults gather. Shared by reference among all readers of one configuration, on one thread.
#[derive(Debug, Default)]
pub struct Collector {
    faults: RefCell<Vec<Fault>>,
    /// Keys that no section knew: the fault's place in `faults`, and the key.
    unknown: RefCell<Vec<(usize, String)>>,
    /// Every key that was asked for.
    asked: RefCell<BTreeSet<String>>,
}

impl Collector {
    /// Records a fault.
    pub fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Whether nothing wrong was found so far.
    pub fn is_empty(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// The names of all keys that were asked for so far, wherever they stand.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    pub(super) fn ask(&self, name: &str) {
        if !self.asked.borrow().contains(name) {
            self.asked.borrow_mut().insert(name.to_owned());
        }
    }

    /// Records a key that its section does not know. One around it may know it, as [`Collector::known`] tells.
    pub(super) fn push_unknown(&self, fault: Fault, name: &str) {
        self.unknown.borrow_mut().push((self.faults.borrow().len(), name.to_owned()));
        self.push(fault);
    }

    /// The section at `path` knows these keys: those that stand somewhere within it belong to it.
    pub(super) fn known(&self, path: &Path, names: &BTreeSet<String>) {
        let mut faults = self.faults.borrow_mut();
        self.unknown.borrow_mut().retain(|(at, name)| {
            let belongs = faults[*at].path.is_below(path) && names.contains(name);
            if belongs {
                faults[*at].help = Some(format!("it stands too deep: this is {}", path.key(name)));
            }
            !belongs
        });
    }

    /// The value that was read, now that reading is over.
    ///
    /// # Errors
    /// All faults, in the order of the text, if there was any: the value then holds stand-ins and is dropped.
    pub fn accept<T>(self, value: T) -> Result<T, Faults> {
        let mut faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok(value);
        }
        faults.sort_by_key(|fault| fault.at);
        Err(Faults(faults))
    }
}
