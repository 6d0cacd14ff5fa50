-- The audit chain: a link for every record that is made from now on, which stays when the record is forgotten.
-- The arithmetic is that of selfheal_core::audit, byte by byte.

CREATE TABLE audit (
    seq     bigint PRIMARY KEY,
    record  bigint NOT NULL,
    at      bigint NOT NULL, -- of the record
    content bytea NOT NULL, -- hash of the record
    hash    bytea NOT NULL -- of all this and of the link before
);

-- Where the chain ends.
CREATE TABLE audit_head (
    id    bigint PRIMARY KEY CHECK (id = 1),
    first bigint NOT NULL, -- the first record that has a link
    seq   bigint NOT NULL,
    hash  bytea -- NULL before the first link
) WITH (fillfactor = 10);
-- Whoever is just writing a record ends first, and whoever comes later finds the trigger.
LOCK TABLE records IN ACCESS EXCLUSIVE MODE;
INSERT INTO audit_head SELECT 1, coalesce(max(id), 0) + 1, 0, NULL FROM records;

CREATE FUNCTION audit_number(number bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN number IS NULL THEN '\x00'::bytea ELSE '\x01'::bytea || int8send(number) END $$;

CREATE FUNCTION audit_text(text text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN text IS NULL THEN '\x00'::bytea
       ELSE '\x02'::bytea || int8send(length(convert_to(text, 'UTF8'))::bigint) || convert_to(text, 'UTF8') END $$;

CREATE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    content bytea := sha256(convert_to('selfheal record 1', 'UTF8')
        || audit_number(NEW.id) || audit_number(NEW.issue) || audit_number(NEW.ordinal) || audit_number(NEW.at)
        || audit_text(NEW.kind) || audit_text(NEW.actor) || audit_text(NEW.summary) || audit_text(NEW.facts));
    head audit_head;
BEGIN
    UPDATE audit_head AS h SET seq = h.seq + 1, hash = sha256(convert_to('selfheal link 1', 'UTF8')
            || coalesce(h.hash, sha256(convert_to('selfheal chain 1', 'UTF8') || int8send(h.first)))
            || int8send(h.seq + 1) || int8send(NEW.id) || int8send(NEW.at) || content)
        WHERE h.id = 1 RETURNING h.* INTO STRICT head;
    INSERT INTO audit VALUES (head.seq, NEW.id, NEW.at, content, head.hash);
    RETURN NULL;
END $$;

-- At the end of the transaction: what waits for the head then holds it for no longer than its commit takes, and has all
-- other locks that it needs, so that nobody waits for one another in a ring.
CREATE CONSTRAINT TRIGGER records_are_linked AFTER INSERT ON records DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_link();
