-- Version 4. The audit chain: a link for every record that is made from now on, which stays when the record is forgotten.

CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    record  INTEGER NOT NULL,
    at      INTEGER NOT NULL, -- of the record
    content BLOB NOT NULL, -- hash of the record
    hash    BLOB NOT NULL -- of all this and of the link before
) STRICT;

-- Where the chain ends.
CREATE TABLE audit_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    first INTEGER NOT NULL, -- the first record that has a link
    seq   INTEGER NOT NULL,
    hash  BLOB -- NULL before the first link
) STRICT;
INSERT INTO audit_head SELECT 1, coalesce(max(id), 0) + 1, 0, NULL FROM records;
