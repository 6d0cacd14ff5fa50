-- Version 1. Times are microseconds since 1970 (UTC).

-- Notifications that are not fully expanded yet. AUTOINCREMENT: a number is never given twice, though rows go.
CREATE TABLE receipts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    expanded    INTEGER NOT NULL DEFAULT 0,
    source      TEXT NOT NULL,
    trace       TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;

-- What the check for readiness writes.
CREATE TABLE checks (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO checks VALUES (1, 0);
