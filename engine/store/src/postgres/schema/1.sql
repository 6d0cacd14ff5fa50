-- Version 1. Times are microseconds since 1970 (UTC), given by the replicas; names are those of the API; nested values
-- are JSON, as text, since a text may hold what jsonb refuses. Only leases go by this server's own clock.

CREATE TABLE issues (
    id          bigint PRIMARY KEY, -- from `numbers`
    fingerprint bigint NOT NULL, -- the 64 bits, as a signed number
    starts_at   bigint NOT NULL, -- of the alert as last seen
    seen        bigint NOT NULL, -- hash of what may change about a known alert
    resolved_at bigint,
    closed_at   bigint,
    wake_at     bigint,
    received_at bigint NOT NULL,
    level       bigint NOT NULL DEFAULT 0,
    level_since bigint,
    epoch       bigint NOT NULL DEFAULT 0, -- how often it was taken: the fencing token
    held_until  timestamptz, -- while a replica looks at it; NULL when nobody does
    again       boolean NOT NULL DEFAULT false, -- whether it was called for since it was taken
    phase       text NOT NULL,
    outcome     text,
    priority    text,
    component   text,
    rule        text,
    why         text NOT NULL,
    resource    text NOT NULL,
    trace       text NOT NULL,
    alert       text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX issues_by_fingerprint ON issues (fingerprint, id DESC);
-- Whatever else happens: one open issue for a fingerprint.
CREATE UNIQUE INDEX issues_open_once ON issues (fingerprint) WHERE closed_at IS NULL;
CREATE INDEX issues_open ON issues (id) WHERE closed_at IS NULL;
CREATE INDEX issues_by_wake ON issues (wake_at, id) WHERE wake_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX issues_by_close ON issues (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX issues_remediating ON issues (id) WHERE phase = 'remediating';
CREATE INDEX issues_by_rule ON issues (rule, received_at);

-- The last number that an issue was given. Its row is what expansions wait for one another by.
CREATE TABLE numbers (
    id   bigint PRIMARY KEY CHECK (id = 1),
    last bigint NOT NULL
);
INSERT INTO numbers VALUES (1, 0);

-- Notifications that are not fully expanded yet.
CREATE TABLE receipts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at bigint NOT NULL,
    expanded    bigint NOT NULL DEFAULT 0,
    held_until  timestamptz NOT NULL, -- until then it is expanded by the replica that received or took it
    source      text NOT NULL,
    trace       text NOT NULL,
    body        bytea NOT NULL
);
ALTER TABLE receipts ALTER COLUMN body SET STORAGE EXTERNAL; -- it is compressed

CREATE TABLE records (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issue   bigint,
    ordinal bigint, -- with the issue, the remediation
    at      bigint NOT NULL,
    kind    text NOT NULL,
    actor   text NOT NULL,
    summary text NOT NULL,
    facts   text
);
CREATE INDEX records_by_issue ON records (issue, id) WHERE issue IS NOT NULL;
CREATE INDEX records_of_none ON records (id) WHERE issue IS NULL;

CREATE TABLE remediations (
    sequence    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order of beginning
    issue       bigint NOT NULL,
    ordinal     bigint NOT NULL,
    started_at  bigint NOT NULL,
    ended_at    bigint,
    generation  bigint NOT NULL,
    level       bigint NOT NULL,
    outcome     text,
    rule        text NOT NULL,
    why         text NOT NULL,
    approved_by text,
    trace       text NOT NULL,
    plan_hash   text NOT NULL,
    claim       text NOT NULL,
    plan        text NOT NULL,
    UNIQUE (issue, ordinal)
);
CREATE UNIQUE INDEX remediations_running ON remediations (issue) WHERE ended_at IS NULL;
CREATE INDEX remediations_by_start ON remediations (started_at);
CREATE INDEX remediations_by_end ON remediations (ended_at) WHERE ended_at IS NOT NULL;

-- Ended remediations by outcome, counted as they end. Each writer has rows of its own, so that none waits for another.
CREATE TABLE totals (
    outcome         text NOT NULL,
    writer          bigint NOT NULL,
    remediations    bigint NOT NULL,
    duration_micros bigint NOT NULL,
    PRIMARY KEY (outcome, writer)
) WITH (fillfactor = 50);

CREATE TABLE intents (
    sequence    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issue       bigint NOT NULL,
    ordinal     bigint NOT NULL,
    try_number  bigint NOT NULL,
    intended_at bigint NOT NULL,
    applied_at  bigint,
    changed_at  bigint NOT NULL,
    revert_at   bigint,
    state       text NOT NULL,
    id          text NOT NULL UNIQUE,
    path        text NOT NULL,
    action      text NOT NULL,
    target      text NOT NULL,
    said        text NOT NULL,
    params      text NOT NULL,
    prior       text NOT NULL,
    before      text NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX intents_by_remediation ON intents (issue, ordinal);
CREATE INDEX intents_to_revert ON intents (revert_at) WHERE revert_at IS NOT NULL AND state = 'done';

CREATE TABLE approvals (
    sequence   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text NOT NULL UNIQUE,
    issue      bigint NOT NULL,
    level      bigint NOT NULL,
    asked_at   bigint NOT NULL,
    expires_at bigint NOT NULL,
    rule       text NOT NULL,
    why        text NOT NULL,
    plan_hash  text NOT NULL,
    plan       text NOT NULL,
    previews   text NOT NULL,
    answer     text
);
CREATE INDEX approvals_by_issue ON approvals (issue);
CREATE INDEX approvals_open ON approvals (sequence) WHERE answer IS NULL;

CREATE TABLE failures (
    rule     text NOT NULL,
    resource text NOT NULL,
    at       bigint NOT NULL,
    tries    bigint NOT NULL,
    PRIMARY KEY (rule, resource, at)
);
CREATE INDEX failures_by_time ON failures (at);

CREATE TABLE successes (
    rule      text NOT NULL,
    action    text NOT NULL,
    writer    bigint NOT NULL,
    successes bigint NOT NULL,
    failures  bigint NOT NULL,
    PRIMARY KEY (rule, action, writer)
) WITH (fillfactor = 50);

CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    next_at bigint NOT NULL,
    tries   bigint NOT NULL DEFAULT 0,
    sink    text NOT NULL,
    news    text NOT NULL
);
CREATE INDEX outbox_by_time ON outbox (next_at, id);

CREATE TABLE settings (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- What only one replica does at a time, and until when it does.
CREATE TABLE leases (
    name       text PRIMARY KEY,
    holder     text NOT NULL,
    held_until timestamptz NOT NULL
);

-- The last transaction of each writer, by which it is known whether a commit happened whose answer was lost.
CREATE TABLE writers (
    id         bigint PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 0, -- how often the row was taken over
    batch      bigint NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
