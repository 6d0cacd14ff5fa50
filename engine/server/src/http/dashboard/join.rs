//! Joins the dashboard into one page: a browser has all of it with one answer, and a far one does not wait for a file to
//! learn of the next.
//!
//! The styles that the page names go into it in their order. Its script is joined from the modules that it leads to: each
//! becomes a function that gives what it exports, behind those that it imports. That is enough for modules as they are
//! written here (imports and exports begin their lines, an export is a function, a class or a constant, and no two
//! modules need each other); what is written otherwise is named and refused. Nothing is translated or made shorter: what
//! the browser shows as the source is what stands in the files.

use std::collections::BTreeSet;

/// How the page names a file of styles.
const STYLE: &str = "<link rel=\"stylesheet\" href=\"";
/// How the page names its script.
const SCRIPT: &str = "<script type=\"module\" src=\"";

/// The page with everything in it.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    /// The whole text.
    pub(super) html: String,
    /// What stands between `<style>` and its end.
    pub(super) styles: String,
    /// What stands between `<script type="module">` and its end.
    pub(super) script: String,
}

/// Joins the page at `index` with what it names; `read` gives the text at a path.
///
/// # Errors
/// A file is missing, or is not written as the head of this file says.
pub(super) fn page(index: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Page, String> {
    let find = |path: &str| read(path).ok_or_else(|| format!("there is no {path}"));
    let (mut styles, mut joined) = (String::from("\n"), Joined::new(&find));
    let (mut before, mut after) = (String::new(), String::new());
    for line in find(index)?.lines() {
        if let Some(path) = between(line, STYLE) {
            styles.push_str(&find(path)?);
        } else if let Some(path) = between(line, SCRIPT) {
            joined.take(path)?;
        } else {
            let is_head = after.is_empty() && !line.contains("</head>");
            let part = if is_head { &mut before } else { &mut after };
            part.push_str(line);
            part.push('\n');
        }
    }
    let script = joined.script;
    for (text, end) in [(&styles, "</style"), (&script, "</script"), (&script, "<!--")] {
        if text.contains(end) {
            return Err(format!("{end:?} would end what it stands in; write it in two parts"));
        }
    }
    let html = format!("{before}<style>{styles}</style>\n<script type=\"module\">{script}</script>\n{after}");
    Ok(Page { html, styles, script })
}

/// What stands between a beginning and the next quotation mark.
fn between<'l>(line: &'l str, begin: &str) -> Option<&'l str> {
    Some(line.trim_start().strip_prefix(begin)?.split_once('"')?.0)
}

/// Modules that have been taken in, each after those that it needs.
struct Joined<'r> {
    read: &'r dyn Fn(&str) -> Result<String, String>,
    script: String,
    done: BTreeSet<String>,
    /// Those that are being taken in: each is needed by the one before.
    begun: Vec<String>,
}

impl<'r> Joined<'r> {
    fn new(read: &'r dyn Fn(&str) -> Result<String, String>) -> Self {
        Self { read, script: String::from("\n"), done: BTreeSet::new(), begun: Vec::new() }
    }

    fn take(&mut self, path: &str) -> Result<(), String> {
        if self.done.contains(path) {
            return Ok(());
        }
        if self.begun.iter().any(|begun| begun == path) {
            return Err(format!("{} leads back to {path}, which leads to it", self.begun.join(" → ")));
        }
        self.begun.push(path.to_owned());
        let text = (self.read)(path)?;
        let (mut body, mut exports) = (String::new(), Vec::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("import ") {
                let mut statement = line.to_owned();
                while !statement.ends_with(';') {
                    let more = lines.next().ok_or_else(|| format!("{path}: {line:?} has no end"))?;
                    statement.push(' ');
                    statement.push_str(more.trim());
                }
                body.push_str(&self.import(path, &statement)?);
            } else if let Some(rest) = line.strip_prefix("export ") {
                let name = exported(rest)
                    .ok_or_else(|| format!("{path}: {line:?} is no function, class or const"))?;
                exports.push(name.to_owned());
                body.push_str(rest);
            } else {
                body.push_str(line);
            }
            body.push('\n');
        }
        let (module, exports) = (name_of(path), exports.join(", "));
        let wrapped =
            format!("// {path}\nconst {module} = (() => {{\n{body}return {{ {exports} }};\n}})();\n");
        self.script.push_str(&wrapped);
        self.begun.pop();
        self.done.insert(path.to_owned());
        Ok(())
    }

    /// Takes in what a module imports; gives the line that stands for the import.
    fn import(&mut self, importer: &str, statement: &str) -> Result<String, String> {
        let strange = || format!("{importer}: {statement:?} is not import … from \"./…\";");
        let whole = statement.strip_prefix("import ").and_then(|whole| whole.strip_suffix(';'));
        let (what, source) = whole.and_then(|whole| whole.rsplit_once(" from ")).ok_or_else(strange)?;
        let path = resolved(importer, source.trim_matches('"')).ok_or_else(strange)?;
        self.take(&path)?;
        let module = name_of(&path);
        Ok(match what.strip_prefix("* as ") {
            Some(name) => format!("const {name} = {module};"),
            None => format!("const {} = {module};", what.replace(" as ", ": ")),
        })
    }
}

/// The name that an export gives to the outside.
fn exported(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let named = ["function ", "class ", "const "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').unwrap_or(named.len());
    Some(&named[..end]).filter(|name| !name.is_empty())
}

/// `../dom.js` as `js/views/issue.js` means it.
fn resolved(importer: &str, source: &str) -> Option<String> {
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    if !source.starts_with('.') {
        return None;
    }
    for part in source.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// What stands for a module in the joined script.
fn name_of(path: &str) -> String {
    let plain: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("${plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "<head>\n<link rel=\"stylesheet\" href=\"a.css\">\n<link rel=\"stylesheet\" href=\"b.css\">\n\
                         <script type=\"module\" src=\"js/app.js\"></script>\n</head>\n<body></body>\n";

    fn joined(files: &[(&str, &str)]) -> Result<Page, String> {
        let own = [("index.html", INDEX), ("a.css", "a {}\n"), ("b.css", "b {}\n")];
        let read = |path: &str| {
            let mut all = files.iter().chain(&own);
            all.find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
        };
        page("index.html", &read)
    }

    #[test]
    fn modules_come_after_those_that_they_need_once_each() {
        let found = joined(&[
            ("js/app.js", "import * as dom from \"./dom.js\";\nimport {\n  one as first,\n  two,\n} from \"./views/one.js\";\ndom.h();\n"),
            ("js/dom.js", "export function h() {}\nlet own = 1;\nexport const WORDS = {\n};\n"),
            ("js/views/one.js", "import { h } from \"../dom.js\";\nexport async function one() {}\nexport class two {}\n"),
        ])
        .unwrap();
        let expected = "\n// js/dom.js\nconst $js_dom_js = (() => {\nfunction h() {}\nlet own = 1;\nconst WORDS = {\n};\nreturn { h, WORDS };\n})();\n\
            // js/views/one.js\nconst $js_views_one_js = (() => {\nconst { h } = $js_dom_js;\nasync function one() {}\nclass two {}\nreturn { one, two };\n})();\n\
            // js/app.js\nconst $js_app_js = (() => {\nconst dom = $js_dom_js;\nconst { one: first, two, } = $js_views_one_js;\ndom.h();\nreturn {  };\n})();\n";
        assert_eq!(found.script, expected);
        assert_eq!(found.styles, "\na {}\nb {}\n");
        let html = format!(
            "<head>\n<style>{}</style>\n<script type=\"module\">{}</script>\n</head>\n<body></body>\n",
            found.styles, found.script
        );
        assert_eq!(found.html, html);
    }

    #[test]
    fn what_cannot_be_joined_is_named() {
        let cases: [(&[(&str, &str)], &str); 7] = [
            (&[], "there is no js/app.js"),
            (&[("js/app.js", "import { a } from \"./gone.js\";\n")], "there is no js/gone.js"),
            (&[("js/app.js", "import { a } from \"elsewhere\";\n")], "is not import"),
            (&[("js/app.js", "import { a }\n")], "has no end"),
            (&[("js/app.js", "export let a = 1;\n")], "\"export let a = 1;\" is no function"),
            (&[("js/app.js", "const end = \"</script>\";\n")], "would end what it stands in"),
            (
                &[
                    ("js/app.js", "import { a } from \"./a.js\";\n"),
                    ("js/a.js", "import { b } from \"./app.js\";\n"),
                ],
                "js/app.js → js/a.js leads back to js/app.js",
            ),
        ];
        for (files, part) in cases {
            let fault = joined(files).unwrap_err();
            assert!(fault.contains(part), "{part}: {fault}");
        }
    }
}
