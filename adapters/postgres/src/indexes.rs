//! Indexes of a table, and how selfheal knows its own.
//!
//! An index is built under a name that holds the intent, and gets its final name together with a comment that holds
//! the intent, in one transaction. So at every moment, also when a build was cut short, the catalog itself says whose
//! an index is, and no other index is ever taken for one of ours.

use selfheal_contract::{Failure, IntentId};
use selfheal_core::hash::ContentHash;
use tokio_postgres::types::Type;

use crate::names::{NAME_BYTES_MAX, checked};
use crate::server::{Server, column};
use crate::tables::Table;

/// PostgreSQL allows 32 columns in an index; more than a few are a mistake in a rule.
const COLUMNS_MAX: usize = 8;

/// An index of a table.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Schema and name, quoted by the server.
    pub(crate) quoted: String,
    /// Whether queries can use it; a build that was cut short leaves one that cannot be used.
    pub(crate) is_valid: bool,
    /// Its key columns; empty for an expression.
    pub(crate) columns: Vec<String>,
    /// A B-tree over whole rows and plain columns, in ascending order or not.
    pub(crate) is_plain: bool,
    comment: String,
}

const LIST: &str = "
    SELECT c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS quoted,
           i.indisvalid AND i.indisready AS is_valid,
           coalesce(obj_description(i.indexrelid, 'pg_class'), '') AS comment,
           i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree' AS is_plain,
           ARRAY(SELECT coalesce(a.attname::text, '')
                 FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = $1
    ORDER BY c.relname";

/// All indexes of a table.
pub(crate) async fn list(server: &Server, table: &Table) -> Result<Vec<Index>, Failure> {
    let rows = server.read(LIST, &[(&table.oid, Type::OID)]).await?;
    let index = |row| {
        Ok(Index {
            name: column(row, "name")?,
            quoted: column(row, "quoted")?,
            is_valid: column(row, "is_valid")?,
            columns: column(row, "columns")?,
            is_plain: column(row, "is_plain")?,
            comment: column(row, "comment")?,
        })
    };
    rows.iter().map(index).collect()
}

/// The usable index whose first columns are these, if there is one.
pub(crate) fn serving<'a>(indexes: &'a [Index], columns: &[String]) -> Option<&'a Index> {
    indexes.iter().find(|index| index.is_valid && index.is_plain && index.columns.starts_with(columns))
}

/// The index of an intent, finished or not.
pub(crate) struct Own {
    /// Built and named.
    pub(crate) finished: Option<Index>,
    /// Being built, built and not yet named, or cut short.
    pub(crate) building: Option<Index>,
    /// The process that is building it right now.
    pub(crate) builder: Option<i32>,
}

/// A statement of ours that is running and speaks of `$1`. Its session is our own role's, so that its text is visible.
const BUILDER: &str = "
    SELECT min(pid) AS pid FROM pg_stat_activity
    WHERE application_name = 'selfheal' AND state = 'active' AND pid <> pg_backend_pid() AND position($1 IN query) > 0";

/// Looks for the index of an intent.
pub(crate) async fn own(server: &Server, table: &Table, intent: &IntentId) -> Result<Own, Failure> {
    let (marker, building) = (marker(intent), building_name(intent));
    // The builder first: one that ends meanwhile has left its index for the look after.
    let row = server.read_one(BUILDER, &[(&building, Type::TEXT)]).await?;
    let builder = column(&row, "pid")?;
    let mut own = Own { finished: None, building: None, builder };
    for index in list(server, table).await? {
        if index.comment == marker {
            own.finished = Some(index);
        } else if index.name == building {
            own.building = Some(index);
        }
    }
    Ok(own)
}

/// The comment on a finished index.
pub(crate) fn marker(intent: &IntentId) -> String {
    format!("selfheal intent {intent}")
}

/// The name of an index until it is finished.
pub(crate) fn building_name(intent: &IntentId) -> String {
    format!("selfheal_{}", &intent.to_string()[..40])
}

/// The columns of an index, well-formed.
///
/// # Errors
/// `Refused` when there are none, too many, or one twice.
pub(crate) fn checked_columns(columns: &[String]) -> Result<(), Failure> {
    if columns.is_empty() || columns.len() > COLUMNS_MAX {
        let text = format!("columns has {} names, but must have 1 to {COLUMNS_MAX}", columns.len());
        return Err(Failure::refused(text));
    }
    for (place, name) in columns.iter().enumerate() {
        checked("column", name)?;
        if columns[..place].contains(name) {
            return Err(Failure::refused(format!("columns names {name:?} twice")));
        }
    }
    Ok(())
}

/// The name that an index gets when none is given: from table and columns, the same every time.
pub(crate) fn default_name(table: &str, columns: &[String]) -> String {
    let name = format!("selfheal_{table}_{}", columns.join("_"));
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let digest = ContentHash::of_parts([name.as_bytes()]).to_string();
    let mut end = NAME_BYTES_MAX - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{}", &name[..end], &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn default_names_fit_and_differ() {
        assert_eq!(default_name("orders", &texts(&["a", "b"])), "selfheal_orders_a_b");
        let long = "\u{e9}".repeat(31);
        let (first, second) = (default_name(&long, &texts(&["a"])), default_name(&long, &texts(&["b"])));
        assert!(first.len() <= NAME_BYTES_MAX && second.len() <= NAME_BYTES_MAX);
        assert_ne!(first, second);
    }

    #[test]
    fn names_of_an_intent_fit() {
        let intent = ContentHash::of_parts([b"x".as_slice()]);
        assert!(building_name(&intent).len() <= NAME_BYTES_MAX);
        assert!(marker(&intent).ends_with(&intent.to_string()));
    }

    #[test]
    fn columns_are_checked() {
        let cases = [
            (texts(&["a"]), None),
            (texts(&["a", "b"]), None),
            (texts(&[]), Some("1 to 8")),
            (texts(&["a", "b", "c", "d", "e", "f", "g", "h", "i"]), Some("1 to 8")),
            (texts(&["a", "a"]), Some("twice")),
            (texts(&["a", ""]), Some("is empty")),
            (texts(&["a\0"]), Some("control")),
        ];
        for (columns, expected) in cases {
            let failure = checked_columns(&columns).err().map(|failure| failure.what);
            match expected {
                None => assert_eq!(failure, None),
                Some(part) => assert!(failure.unwrap().contains(part), "{columns:?}"),
            }
        }
    }

    #[test]
    fn an_index_serves_when_it_begins_with_the_columns() {
        let index = |columns: &[&str], is_valid, is_plain| Index {
            name: "i".to_owned(),
            quoted: "public.i".to_owned(),
            is_valid,
            columns: texts(columns),
            is_plain,
            comment: String::new(),
        };
        let cases = [
            (index(&["a", "b"], true, true), true),
            (index(&["a"], true, true), true),
            (index(&["b", "a"], true, true), false),
            (index(&["a"], false, true), false),
            (index(&["a"], true, false), false),
        ];
        for (index, serves) in cases {
            assert_eq!(serving(std::slice::from_ref(&index), &texts(&["a"])).is_some(), serves, "{index:?}");
        }
    }
}
