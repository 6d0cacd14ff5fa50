//! Names that come from rules and so from labels: checked in form here, then looked up in the catalog.
//!
//! A name is taken as it is stored, which is how metrics show it: `public.Orders` means the table `"Orders"`, quotes
//! are no syntax but characters. The first dot parts schema and table.

use selfheal_contract::Failure;

use crate::query_text::cut;

/// PostgreSQL cuts longer names silently (NAMEDATALEN - 1); here they are refused.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// A table's name, well-formed; whether there is one is for the catalog to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl TableName {
    /// Reads `table` (in the schema `public`) or `schema.table`.
    ///
    /// # Errors
    /// `Refused`, naming what is wrong; also for the system's own schemas.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        let name = Self { schema: checked("schema", schema)?, table: checked("table", table)? };
        if name.schema.starts_with("pg_") || name.schema == "information_schema" {
            return Err(Failure::refused(format!(
                "{text:?} is one of PostgreSQL's own tables, which are left alone"
            )));
        }
        Ok(name)
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A name that PostgreSQL could have; `of` says of what.
///
/// # Errors
/// `Refused`, with the name shown harmlessly.
pub(crate) fn checked(of: &str, name: &str) -> Result<String, Failure> {
    let shown = cut(name, 80);
    let problem = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("has {} bytes, PostgreSQL allows {NAME_BYTES_MAX}", name.len())
    } else if name.chars().any(char::is_control) {
        "holds control characters".to_owned()
    } else {
        return Ok(name.to_owned());
    };
    Err(Failure::refused(format!("the {of} name {shown:?} {problem}")))
}

/// A name quoted for a statement. Only for names that came from, or were checked against, the catalog.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_taken_as_they_are_stored() {
        let long = "x".repeat(64);
        let cases = [
            ("orders", Ok(("public", "orders"))),
            ("shop.Orders", Ok(("shop", "Orders"))),
            ("shop.a.b", Ok(("shop", "a.b"))),
            ("o\"; drop table x; --", Ok(("public", "o\"; drop table x; --"))),
            ("", Err("is empty")),
            (".x", Err("is empty")),
            ("x.", Err("is empty")),
            ("a\0b", Err("control characters")),
            ("a\nb", Err("control characters")),
            (long.as_str(), Err("has 64 bytes")),
            ("pg_catalog.pg_class", Err("PostgreSQL's own")),
            ("information_schema.tables", Err("PostgreSQL's own")),
        ];
        for (text, expected) in cases {
            match (TableName::read(text), expected) {
                (Ok(name), Ok(parts)) => assert_eq!((name.schema.as_str(), name.table.as_str()), parts),
                (Err(failure), Err(part)) => assert!(failure.what.contains(part), "{text:?}: {failure}"),
                (found, _) => panic!("{text:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn quoting_keeps_a_name_one_name() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
