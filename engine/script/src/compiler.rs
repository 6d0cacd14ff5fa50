//! Turns a rule's text into a checked rule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use rhai::{AST, Dynamic, Expr, ParseError, ParseErrorType, Position, Stmt};
use selfheal_contract::Catalog;

use crate::coverage::Coverage;
use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::header;
use crate::language::{DISABLED, reserved_help};
use crate::limits::{Clock, Limits};
use crate::lint::{self, Known, SETTINGS};
use crate::meter::Constants;
use crate::names::Names;
use crate::record::Record;
use crate::rule::Rule;
use crate::sandbox::Sandbox;
use crate::set::RuleFile;

/// Compiles rules for one catalog and one set of settings; made once, shared by all threads.
pub struct Compiler {
    sandbox: Arc<Sandbox>,
    names: Names,
    settings: serde_json::Map<String, serde_json::Value>,
    /// What a rule without constants of its own sees by plain name.
    bare: Arc<Constants>,
}

impl Compiler {
    /// A compiler for rules that use these adapters and see these settings (by plain name, as `settings.x`).
    pub fn new(catalog: &Catalog, settings: BTreeMap<String, serde_json::Value>, limits: Limits) -> Self {
        let start = Instant::now();
        Self::with_clock(catalog, settings, limits, Arc::new(move || start.elapsed()))
    }

    /// The same with a clock of one's own; it is read for the deadline alone.
    pub fn with_clock(
        catalog: &Catalog,
        settings: BTreeMap<String, serde_json::Value>,
        limits: Limits,
        clock: Clock,
    ) -> Self {
        Self::make(catalog, settings, Sandbox::new(catalog, limits, clock, None))
    }

    /// A compiler whose rules tell which of their statements are reached; for tests of rules. `clock` as in
    /// [`Compiler::with_clock`].
    pub fn covering(
        catalog: &Catalog,
        settings: BTreeMap<String, serde_json::Value>,
        limits: Limits,
        clock: Clock,
        coverage: &Coverage,
    ) -> Self {
        Self::make(catalog, settings, Sandbox::new(catalog, limits, clock, Some(coverage)))
    }

    fn make(catalog: &Catalog, settings: BTreeMap<String, serde_json::Value>, sandbox: Sandbox) -> Self {
        let names = Names::new(&sandbox.engine, catalog);
        let settings: serde_json::Map<_, _> = settings.into_iter().collect();
        let seen = Dynamic::from(Record::strict(SETTINGS, settings.clone()));
        let bare = Arc::new(Constants(vec![(SETTINGS.into(), seen)]));
        Self { sandbox: Arc::new(sandbox), names, settings, bare }
    }

    /// Compiles a rule that is named, and whose file is called, `<name>.rhai`.
    ///
    /// # Errors
    /// All that is wrong with it, as far as one reading can tell; at least one is an error.
    pub fn compile(&self, name: &str, text: &str) -> Result<Rule, Vec<Diagnostic>> {
        self.compile_file(&RuleFile::new(name, format!("{name}.rhai"), text))
    }

    /// Compiles a rule from a file.
    ///
    /// # Errors
    /// As [`Compiler::compile`]; also when the file is not named as the rule.
    pub fn compile_file(&self, file: &RuleFile) -> Result<Rule, Vec<Diagnostic>> {
        let source = Source { file: &file.path, text: &file.text };
        self.check_file(file, source).map_err(|fault| vec![fault])?;
        let mut ast =
            self.sandbox.engine.compile(&*file.text).map_err(|error| vec![parse_fault(&error, source)])?;
        let mut faults = Vec::new();
        let header = header::read(&file.name, &ast, source, &mut faults);
        let known = Known { names: &self.names, readable: &self.sandbox.readable, settings: &self.settings };
        faults.extend(lint::check(&ast, source, &known));
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults.dedup();
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return Err(faults);
        }
        let constants = self.constants(&ast, source).map_err(|fault| vec![fault])?;
        let Some(header) = header else { return Err(faults) };
        let observes = ast.iter_functions().any(|function| function.name == "observe");
        ast.clear_statements();
        // By this name its statements are told apart from those of other rules.
        ast.set_source(&*file.name);
        Ok(Rule::new(Arc::clone(&self.sandbox), file.clone(), header, ast, constants, observes, faults))
    }

    fn check_file(&self, file: &RuleFile, source: Source<'_>) -> Result<(), Diagnostic> {
        let stem = std::path::Path::new(&*file.path).file_stem().and_then(|stem| stem.to_str());
        let fault =
            |message: String, help: &str| Err(source.error(Position::NONE, message, Some(help.to_owned())));
        if !header::is_rule_name(&file.name) {
            return fault(
                format!("{:?} is no name for a rule", crate::fault::cut(&file.name)),
                "use a to z, 0 to 9, _ and -, for example high_error_rate.rhai",
            );
        }
        if stem != Some(&*file.name) {
            return fault(
                format!("the rule {} is in a file of another name", file.name),
                "name the file as the rule",
            );
        }
        let most = self.sandbox.limits.source_bytes;
        if file.text.len() > most {
            let message = format!("the text has {} bytes, at most {most} are allowed", file.text.len());
            return fault(message, "what is that long is several rules");
        }
        Ok(())
    }

    /// The values of the constants at the top, with the settings. Literals are read; anything else is computed once,
    /// in the sandbox.
    fn constants(&self, ast: &AST, source: Source<'_>) -> Result<Arc<Constants>, Diagnostic> {
        let defined = || {
            ast.statements().iter().filter_map(|statement| match statement {
                Stmt::Var(var, ..) if var.0.as_str() != header::HEADER => Some(&**var),
                _ => None,
            })
        };
        if defined().next().is_none() {
            return Ok(Arc::clone(&self.bare));
        }
        let literal = |value: &Expr| value.get_literal_value(None);
        let literals: Option<Vec<(Box<str>, Dynamic)>> = defined()
            .map(|(name, value, _)| literal(value).map(|value| (name.as_str().into(), value)))
            .collect();
        let mut constants = match literals {
            Some(literals) => literals,
            None => {
                let ran = self.sandbox.constants(ast, &self.bare);
                ran.result.map_err(|cause| cause.into_diagnostic(source))?
            }
        };
        for (name, value) in &mut constants {
            if let Err(too_heavy) = crate::weight::weigh(value, &self.sandbox.limits) {
                let message = format!("the constant {name} is too large: {}", too_heavy.0);
                return Err(source.error(Position::NONE, message, None));
            }
        }
        constants.retain(|(name, _)| &**name != header::HEADER);
        constants.extend(self.bare.0.iter().cloned());
        Ok(Arc::new(Constants(constants)))
    }

    /// Whether a rule was compiled by this very compiler, so that its text need not be compiled again.
    pub(crate) fn made(&self, rule: &Rule) -> bool {
        Arc::ptr_eq(&self.sandbox, rule.sandbox())
    }
}

/// What the parser stopped at. Rhai reads no further than the first fault.
fn parse_fault(error: &ParseError, source: Source<'_>) -> Diagnostic {
    use ParseErrorType as P;
    let at = error.1;
    let (message, help) = match &*error.0 {
        P::Reserved(word) if DISABLED.iter().any(|(disabled, _)| disabled == word) => {
            (format!("{word} is not available in rules"), Some(reserved_help(word)))
        }
        P::Reserved(word) => (format!("{word} is reserved by the rule language"), Some(reserved_help(word))),
        P::BadInput(lexical) => bad_input(lexical),
        P::UnexpectedEOF => {
            ("the text ends too early".to_owned(), Some("a bracket, brace or quote is not closed".to_owned()))
        }
        P::MissingToken(token, why) => (format!("expected {token} {why}"), None),
        P::ExprTooDeep => (
            "expressions or blocks are nested too deeply".to_owned(),
            Some("move the inner part into a function".to_owned()),
        ),
        P::FnDuplicatedDefinition(name, parameters) => {
            (format!("{name} with {parameters} parameter(s) is defined twice"), None)
        }
        P::AssignmentToConstant(name) => {
            (format!("cannot change the constant {name}"), Some("define it with let".to_owned()))
        }
        P::LiteralTooLarge(what, most) => {
            (format!("too large: {} (at most {most})", what.to_lowercase()), None)
        }
        other => (first_lower(&other.to_string()), None),
    };
    source.error(at, message, help)
}

fn bad_input(error: &rhai::LexError) -> (String, Option<String>) {
    use rhai::LexError as L;
    match error {
        L::ImproperSymbol(word, _) if DISABLED.iter().any(|(disabled, _)| disabled == word) => {
            (format!("{word} is not available in rules"), Some(reserved_help(word)))
        }
        L::UnterminatedString => (
            "the text is not closed".to_owned(),
            Some(
                "close it with the quote that opened it; texts over several lines stand in backticks"
                    .to_owned(),
            ),
        ),
        L::StringTooLong(most) => (format!("a text or name is longer than {most} bytes"), None),
        other => (first_lower(&other.to_string()), None),
    }
}

fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
