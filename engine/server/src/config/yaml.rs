//! YAML text to a tree of positioned values.
//!
//! Built on the parser's events, since only they know where every key and scalar stands. Reads one document
//! by the core schema of YAML 1.2, within bounds that hold after aliases are expanded, so that no
//! file can exhaust the process. Deliberately absent: tags other than `!!str`, merge keys, keys that are not text.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use selfheal_contract::settings::{Collector, Fault, Key, Location, Node, Path, Value, scalar};

use super::interpolate::is_one_reference;

/// The longest text that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// How deep lists and maps may nest, aliases expanded. Bounds every recursion over the tree.
pub const DEPTH_MAX: usize = 32;
/// How many values there may be, aliases expanded.
pub const NODES_MAX: usize = 50_000;
/// How many bytes all names and texts may have together, aliases expanded.
pub const EXPANDED_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;

/// Reads one YAML document. An empty text is [`Value::Null`].
///
/// Faults go to `collector`. `None` if the text cannot be read at all: a syntax error, a bound exceeded, or
/// more than one document. A repeated key is a fault too, but reading goes on with the first.
pub fn read(text: &str, collector: &Collector) -> Option<Node> {
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, collector, anchors: HashMap::new(), nodes: 0, bytes: 0 };
    if text.len() > TEXT_BYTES_MAX {
        let stop =
            reader.refuse(Location::START, &Path::default(), &format!("longer than {TEXT_BYTES_MAX} bytes"));
        return stop.ok();
    }
    reader.document().ok()
}

/// Reading cannot go on; why is in the collector.
struct Stop;

/// A node that an alias may stand for, and what a copy of it costs.
struct Anchored {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    bytes: usize,
    height: usize,
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    collector: &'a Collector,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    bytes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Stop> {
        let root = Path::default();
        let mut read = None;
        loop {
            let (event, at) = self.next(&root)?;
            match event {
                Event::StreamEnd => {
                    return Ok(read.unwrap_or(Node { value: Value::Null, at: Location::START }));
                }
                Event::DocumentStart(..) if read.is_some() => {
                    return self.refuse(
                        at,
                        &root,
                        "a second document begins here, but there can be only one",
                    );
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => read = Some(self.node(event, at, &root, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: Location, path: &Path, depth: usize) -> Result<Node, Stop> {
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let as_text = self.is_text(tag.as_deref(), style, at, path);
                self.spend(1, text.len(), at, path)?;
                (anchor, scalar_value(&text, as_text))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.enter(tag.as_deref(), at, path, depth)?;
                (anchor, self.list(path, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.enter(tag.as_deref(), at, path, depth)?;
                (anchor, self.map(path, depth)?)
            }
            Event::Alias(anchor) => return self.alias(anchor, at, path, depth),
            // The parser is asked for no other event, and closes only what it opened.
            _ => return self.refuse(at, path, "a value was expected here"),
        };
        let node = Node { value, at };
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { size: size(&node), node: node.clone() });
        }
        Ok(node)
    }

    fn list(&mut self, path: &Path, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let item = path.item(items.len());
            match self.next(&item)? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, at, &item, depth + 1)?),
            }
        }
    }

    fn map(&mut self, path: &Path, depth: usize) -> Result<Value, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, Location> = HashMap::new();
        loop {
            let (name, at) = match self.next(path)? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(name, ..), at) => (name.into_owned(), at),
                (event, at) => {
                    self.fault(at, path, "a key must be plain text", None);
                    self.node(event, at, path, depth + 1)?;
                    let (event, at) = self.next(path)?;
                    self.node(event, at, path, depth + 1)?;
                    continue;
                }
            };
            let here = path.key(&name);
            self.spend(0, name.len(), at, &here)?;
            let (event, value_at) = self.next(&here)?;
            let node = self.node(event, value_at, &here, depth + 1)?;
            if name == "<<" {
                self.fault(at, &here, "merge keys are not supported", Some("write the entries out"));
            } else if let Some(first) = seen.get(&name) {
                let problem = format!("given twice; the first is on line {}", first.line);
                self.fault(at, &here, &problem, Some("remove one of them"));
            } else {
                seen.insert(name.clone(), at);
                entries.push((Key { name, at }, node));
            }
        }
    }

    /// A copy of what the anchor stands for; its parts keep their own places in the text.
    fn alias(&mut self, anchor: usize, at: Location, path: &Path, depth: usize) -> Result<Node, Stop> {
        let Some(Anchored { node, size }) = self.anchors.get(&anchor) else {
            return self.refuse(at, path, "the alias stands for a value that contains it");
        };
        let (node, size) = (node.clone(), *size);
        if depth + size.height > DEPTH_MAX {
            return self.too_deep(at, path);
        }
        self.spend(size.nodes, size.bytes, at, path)?;
        Ok(node)
    }

    fn enter(&mut self, tag: Option<&Tag>, at: Location, path: &Path, depth: usize) -> Result<(), Stop> {
        if let Some(tag) = tag {
            self.unknown_tag(tag, at, path);
        }
        if depth >= DEPTH_MAX {
            return self.too_deep(at, path);
        }
        self.spend(1, 0, at, path)
    }

    /// Whether a scalar is text by its quotes or its tag, whatever it looks like.
    fn is_text(&self, tag: Option<&Tag>, style: ScalarStyle, at: Location, path: &Path) -> bool {
        match tag {
            Some(tag) if tag.is_yaml_core_schema_tag("str") => true,
            Some(tag) => {
                self.unknown_tag(tag, at, path);
                true
            }
            None => style != ScalarStyle::Plain,
        }
    }

    fn unknown_tag(&self, tag: &Tag, at: Location, path: &Path) {
        let problem = format!("the tag {} is not supported", tag.original());
        self.fault(at, path, &problem, Some("remove it"));
    }

    fn spend(&mut self, nodes: usize, bytes: usize, at: Location, path: &Path) -> Result<(), Stop> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > NODES_MAX {
            return self.refuse(at, path, &format!("more than {NODES_MAX} values, aliases expanded"));
        }
        if self.bytes > EXPANDED_BYTES_MAX {
            return self.refuse(at, path, &format!("more than {EXPANDED_BYTES_MAX} bytes, aliases expanded"));
        }
        Ok(())
    }

    fn next(&mut self, path: &Path) -> Result<(Event<'a>, Location), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, location(&span.start))),
            Some(Err(error)) => {
                self.fault(location(error.marker()), path, &error.info(), syntax_help(error.kind()));
                Err(Stop)
            }
            None => self.refuse(Location::START, path, "the text ends too early"),
        }
    }

    fn too_deep<T>(&self, at: Location, path: &Path) -> Result<T, Stop> {
        self.refuse(at, path, &format!("nested deeper than {DEPTH_MAX} levels"))
    }

    fn refuse<T>(&self, at: Location, path: &Path, problem: &str) -> Result<T, Stop> {
        self.fault(at, path, problem, None);
        Err(Stop)
    }

    fn fault(&self, at: Location, path: &Path, problem: &str, help: Option<&str>) {
        let (path, problem, help) = (path.clone(), problem.to_owned(), help.map(str::to_owned));
        self.collector.push(Fault { path, at, problem, help, secret: false });
    }
}

fn scalar_value(text: &str, as_text: bool) -> Value {
    if as_text {
        Value::Text(text.to_owned())
    } else if is_one_reference(text) {
        Value::Open(text.to_owned())
    } else {
        scalar(text)
    }
}

/// What usually mends a syntax error, for those that operators meet most.
fn syntax_help(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => Some("indent with spaces"),
        ErrorKind::MappingValueNotAllowed => {
            Some("put a value that holds a colon in quotes, and check the indentation")
        }
        ErrorKind::UnknownAnchor => Some("put a text that begins with * in quotes"),
        ErrorKind::UnexpectedCharacter { .. } => Some("put a text that begins with it in quotes"),
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::ExpectedFlowMappingSeparator => {
            Some("inside [] and {}, put a text that holds one of []{}, in quotes, such as \"${NAME}\"")
        }
        _ => None,
    }
}

fn location(marker: &Marker) -> Location {
    // The parser counts lines from 1 and columns from 0.
    Location { line: marker.line().max(1), column: marker.col() + 1 }
}

fn size(node: &Node) -> Size {
    let children: Vec<(usize, &Node)> = match &node.value {
        Value::List(items) => items.iter().map(|item| (0, item)).collect(),
        Value::Map(entries) => entries.iter().map(|(key, node)| (key.name.len(), node)).collect(),
        Value::Text(text) | Value::Open(text) => return Size { nodes: 1, bytes: text.len(), height: 0 },
        _ => return Size { nodes: 1, bytes: 0, height: 0 },
    };
    let empty = Size { nodes: 1, bytes: 0, height: 1 };
    children.into_iter().fold(empty, |sum, (name_bytes, child)| {
        let child = size(child);
        Size {
            nodes: sum.nodes + child.nodes,
            bytes: sum.bytes + name_bytes + child.bytes,
            height: sum.height.max(child.height + 1),
        }
    })
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
