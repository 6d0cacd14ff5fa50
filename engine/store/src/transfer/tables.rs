//! The tables of a journal, as they are in both stores: what is copied, in which order, and what PostgreSQL has besides.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
    /// 0 or 1 in SQLite.
    Flag,
}

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Whether it is in the inbox, and not in SQLite.
    pub(super) in_inbox: bool,
    /// What makes the order of the rows the same in both stores.
    pub(super) order: &'static [&'static str],
    pub(super) columns: &'static [(&'static str, Kind)],
    /// Columns that only PostgreSQL has, with their value.
    pub(super) besides: &'static [(&'static str, &'static str)],
    /// The column that PostgreSQL numbers.
    pub(super) numbered: Option<&'static str>,
}

const fn number(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Number)
}

const fn text(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Text)
}

/// All of them but what belongs to running processes.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "receipts",
        in_inbox: true,
        order: &["id"],
        columns: &[
            number("id"),
            number("received_at"),
            number("expanded"),
            text("source"),
            text("trace"),
            ("body", Kind::Bytes),
        ],
        besides: &[("held_until", "'epoch'::timestamptz")],
        numbered: Some("id"),
    },
    Table {
        name: "issues",
        in_inbox: false,
        order: &["id"],
        columns: &[
            number("id"),
            number("fingerprint"),
            number("starts_at"),
            number("seen"),
            number("resolved_at"),
            number("closed_at"),
            number("wake_at"),
            number("received_at"),
            number("level"),
            number("level_since"),
            number("epoch"),
            ("again", Kind::Flag),
            text("phase"),
            text("outcome"),
            text("priority"),
            text("component"),
            text("rule"),
            text("why"),
            text("resource"),
            text("trace"),
            text("alert"),
        ],
        besides: &[],
        numbered: None,
    },
    Table {
        name: "records",
        in_inbox: false,
        order: &["id"],
        columns: &[
            number("id"),
            number("issue"),
            number("ordinal"),
            number("at"),
            text("kind"),
            text("actor"),
            text("summary"),
            text("facts"),
        ],
        besides: &[],
        numbered: Some("id"),
    },
    Table {
        name: "audit",
        in_inbox: false,
        order: &["seq"],
        columns: &[
            number("seq"),
            number("record"),
            number("at"),
            ("content", Kind::Bytes),
            ("hash", Kind::Bytes),
        ],
        besides: &[],
        numbered: None,
    },
    Table {
        name: "remediations",
        in_inbox: false,
        order: &["sequence"],
        columns: &[
            number("sequence"),
            number("issue"),
            number("ordinal"),
            number("started_at"),
            number("ended_at"),
            number("generation"),
            number("level"),
            text("outcome"),
            text("rule"),
            text("why"),
            text("approved_by"),
            text("trace"),
            text("plan_hash"),
            text("claim"),
            text("plan"),
        ],
        besides: &[],
        numbered: Some("sequence"),
    },
    Table {
        name: "courses",
        in_inbox: false,
        order: &["issue", "ordinal"],
        columns: &[
            number("issue"),
            number("ordinal"),
            number("started_at"),
            number("effect_at"),
            number("ended_at"),
            text("outcome"),
            text("rule"),
        ],
        besides: &[],
        numbered: None,
    },
    Table {
        name: "intents",
        in_inbox: false,
        order: &["sequence"],
        columns: &[
            number("sequence"),
            number("issue"),
            number("ordinal"),
            number("try_number"),
            number("intended_at"),
            number("applied_at"),
            number("changed_at"),
            number("revert_at"),
            text("state"),
            text("id"),
            text("path"),
            text("action"),
            text("target"),
            text("said"),
            text("params"),
            text("prior"),
            text("before"),
        ],
        besides: &[],
        numbered: Some("sequence"),
    },
    Table {
        name: "approvals",
        in_inbox: false,
        order: &["sequence"],
        columns: &[
            number("sequence"),
            text("id"),
            number("issue"),
            number("level"),
            number("asked_at"),
            number("expires_at"),
            text("rule"),
            text("why"),
            text("plan_hash"),
            text("plan"),
            text("previews"),
            text("answer"),
        ],
        besides: &[],
        numbered: Some("sequence"),
    },
    Table {
        name: "failures",
        in_inbox: false,
        order: &["rule", "resource", "at"],
        columns: &[text("rule"), text("resource"), number("at"), number("tries")],
        besides: &[],
        numbered: None,
    },
    Table {
        name: "successes",
        in_inbox: false,
        order: &["rule", "action"],
        columns: &[text("rule"), text("action"), number("successes"), number("failures")],
        besides: &[("writer", "0::bigint")],
        numbered: None,
    },
    Table {
        name: "totals",
        in_inbox: false,
        order: &["outcome"],
        columns: &[text("outcome"), number("remediations"), number("duration_micros")],
        besides: &[("writer", "0::bigint")],
        numbered: None,
    },
    Table {
        name: "outbox",
        in_inbox: false,
        order: &["id"],
        columns: &[
            number("id"),
            number("next_at"),
            number("tries"),
            text("sink"),
            text("news"),
            number("subject"),
        ],
        besides: &[],
        numbered: Some("id"),
    },
    Table {
        name: "settings",
        in_inbox: false,
        order: &["key"],
        columns: &[text("key"), text("value")],
        besides: &[],
        numbered: None,
    },
];

impl Table {
    fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    /// Everything, from SQLite, which compares texts byte by byte.
    pub(super) fn read_sqlite(&self) -> String {
        format!("SELECT {} FROM {} ORDER BY {}", self.names().join(", "), self.name, self.order.join(", "))
    }

    /// Everything, from PostgreSQL, in the same order.
    pub(super) fn read_postgres(&self) -> String {
        let of = |name: &&str| self.columns.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
        let order: Vec<String> = self
            .order
            .iter()
            .map(|name| match of(name) {
                Some(Kind::Text) => format!("{name} COLLATE \"C\""),
                _ => (*name).to_owned(),
            })
            .collect();
        format!("SELECT {} FROM {} ORDER BY {}", self.names().join(", "), self.name, order.join(", "))
    }

    /// Adds rows, given as an array for each column.
    pub(super) fn insert(&self) -> String {
        let mut names = self.names();
        names.extend(self.besides.iter().map(|(name, _)| *name));
        let array = |(number, (_, kind)): (usize, &(&str, Kind))| {
            let of = match kind {
                Kind::Number => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
                Kind::Flag => "boolean",
            };
            format!("${}::{of}[]", number + 1)
        };
        let arrays: Vec<String> = self.columns.iter().enumerate().map(array).collect();
        let mut values = vec!["r.*".to_owned()];
        values.extend(self.besides.iter().map(|(_, value)| (*value).to_owned()));
        let overriding = if self.numbered.is_some() { "OVERRIDING SYSTEM VALUE" } else { "" };
        format!(
            "INSERT INTO {} ({}) {overriding} SELECT {} FROM unnest({}) AS r",
            self.name,
            names.join(", "),
            values.join(", "),
            arrays.join(", ")
        )
    }
}
