-- Version 2. Who looks at an issue, so that several processes can share a journal.

ALTER TABLE issues ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0; -- how often it was taken: the fencing token
ALTER TABLE issues ADD COLUMN held_until INTEGER; -- while somebody looks at it
ALTER TABLE issues ADD COLUMN again INTEGER NOT NULL DEFAULT 0; -- whether it was called for since it was taken
CREATE INDEX issues_remediating ON issues (id) WHERE phase = 'remediating';

-- What only one process does at a time, and until when it does.
CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    held_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What may be forgotten: each index holds only what is over.
CREATE INDEX issues_by_close ON issues (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX failures_by_time ON failures (at);
CREATE INDEX records_of_none ON records (id) WHERE issue IS NULL;
