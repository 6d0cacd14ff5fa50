-- What is kept of a remediation for statistics, for as long as its issue, when its details have been forgotten.
CREATE TABLE courses (
    issue      bigint NOT NULL,
    ordinal    bigint NOT NULL,
    started_at bigint NOT NULL,
    effect_at  bigint,
    ended_at   bigint,
    outcome    text,
    rule       text NOT NULL,
    PRIMARY KEY (issue, ordinal)
);
