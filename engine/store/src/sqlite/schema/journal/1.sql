-- Version 1. Times are microseconds since 1970 (UTC); names are those of the API; nested values are JSON.
-- Small columns come first, so that they are read without following a row's overflow pages.

CREATE TABLE issues (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint INTEGER NOT NULL, -- the 64 bits, as a signed number
    starts_at   INTEGER NOT NULL, -- of the alert as last seen
    seen        INTEGER NOT NULL, -- hash of what may change about a known alert
    resolved_at INTEGER,
    closed_at   INTEGER,
    wake_at     INTEGER,
    received_at INTEGER NOT NULL,
    level       INTEGER NOT NULL DEFAULT 0,
    level_since INTEGER,
    phase       TEXT NOT NULL,
    outcome     TEXT,
    priority    TEXT,
    component   TEXT,
    rule        TEXT,
    why         TEXT NOT NULL,
    resource    TEXT NOT NULL,
    trace       TEXT NOT NULL,
    alert       TEXT NOT NULL
) STRICT;
-- The latest issue of a fingerprint: the number of the row is part of every index.
CREATE INDEX issues_by_fingerprint ON issues (fingerprint);
CREATE INDEX issues_open ON issues (id) WHERE closed_at IS NULL;
CREATE INDEX issues_by_wake ON issues (wake_at) WHERE wake_at IS NOT NULL AND closed_at IS NULL;

CREATE TABLE records (
    id      INTEGER PRIMARY KEY,
    issue   INTEGER,
    ordinal INTEGER, -- with the issue, the remediation
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    summary TEXT NOT NULL,
    facts   TEXT
) STRICT;
CREATE INDEX records_by_issue ON records (issue) WHERE issue IS NOT NULL;

CREATE TABLE remediations (
    sequence    INTEGER PRIMARY KEY, -- the order of beginning
    issue       INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    generation  INTEGER NOT NULL,
    level       INTEGER NOT NULL,
    outcome     TEXT,
    rule        TEXT NOT NULL,
    why         TEXT NOT NULL,
    approved_by TEXT,
    trace       TEXT NOT NULL,
    plan_hash   TEXT NOT NULL,
    claim       TEXT NOT NULL,
    plan        TEXT NOT NULL,
    UNIQUE (issue, ordinal)
) STRICT;
CREATE UNIQUE INDEX remediations_running ON remediations (issue) WHERE ended_at IS NULL;
CREATE INDEX remediations_by_start ON remediations (started_at);

-- Ended remediations by outcome, counted as they end.
CREATE TABLE totals (
    outcome         TEXT PRIMARY KEY,
    remediations    INTEGER NOT NULL,
    duration_micros INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE intents (
    sequence    INTEGER PRIMARY KEY,
    issue       INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    try_number  INTEGER NOT NULL,
    intended_at INTEGER NOT NULL,
    applied_at  INTEGER,
    changed_at  INTEGER NOT NULL,
    revert_at   INTEGER,
    state       TEXT NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    path        TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    said        TEXT NOT NULL,
    params      TEXT NOT NULL,
    prior       TEXT NOT NULL,
    before      TEXT NOT NULL
) STRICT;
CREATE INDEX intents_by_remediation ON intents (issue, ordinal);
CREATE INDEX intents_to_revert ON intents (revert_at) WHERE revert_at IS NOT NULL AND state = 'done';

CREATE TABLE approvals (
    sequence   INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    issue      INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    asked_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rule       TEXT NOT NULL,
    why        TEXT NOT NULL,
    plan_hash  TEXT NOT NULL,
    plan       TEXT NOT NULL,
    previews   TEXT NOT NULL,
    answer     TEXT
) STRICT;
CREATE INDEX approvals_by_issue ON approvals (issue);
CREATE INDEX approvals_open ON approvals (sequence) WHERE answer IS NULL;

CREATE TABLE failures (
    rule     TEXT NOT NULL,
    resource TEXT NOT NULL,
    at       INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    PRIMARY KEY (rule, resource, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE successes (
    rule      TEXT NOT NULL,
    action    TEXT NOT NULL,
    successes INTEGER NOT NULL,
    failures  INTEGER NOT NULL,
    PRIMARY KEY (rule, action)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    next_at INTEGER NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0,
    sink    TEXT NOT NULL,
    news    TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_by_time ON outbox (next_at);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the check for readiness writes.
CREATE TABLE checks (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO checks VALUES (1, 0);
