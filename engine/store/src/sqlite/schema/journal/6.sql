-- Version 6. What is kept of a remediation for statistics, for as long as its issue, when its details have been forgotten.

CREATE TABLE courses (
    issue      INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    effect_at  INTEGER,
    ended_at   INTEGER,
    outcome    TEXT,
    rule       TEXT NOT NULL,
    PRIMARY KEY (issue, ordinal)
) STRICT, WITHOUT ROWID;
