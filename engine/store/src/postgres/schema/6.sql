-- Records are linked together and not one by one. What a statement adds is hashed at once and waits for the commit; only then
-- is the chain's end locked, once for all of it. So it still holds that nobody who has the end locked has another lock to take, or
-- waits for a client.

-- What a transaction has added, until it commits: no row is ever seen by another.
CREATE UNLOGGED TABLE audit_waiting (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    records  bigint[] NOT NULL,
    ats      bigint[] NOT NULL,
    contents bytea[] NOT NULL
);

DROP TRIGGER records_are_linked ON records;

CREATE FUNCTION audit_gather() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_waiting (records, ats, contents)
        SELECT array_agg(id ORDER BY id), array_agg(at ORDER BY id), array_agg(content ORDER BY id)
        FROM (SELECT id, at, sha256(convert_to('selfheal record 1', 'UTF8')
                || audit_number(id) || audit_number(issue) || audit_number(ordinal) || audit_number(at)
                || audit_text(kind) || audit_text(actor) || audit_text(summary) || audit_text(facts)) AS content
            FROM added) AS hashed
        HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
    added record;
    links bytea[] := '{}';
BEGIN
    SELECT * FROM audit_head WHERE id = 1 FOR UPDATE INTO STRICT head;
    head.hash := coalesce(head.hash, sha256(convert_to('selfheal chain 1', 'UTF8') || int8send(head.first)));
    FOR added IN SELECT * FROM unnest(NEW.records, NEW.ats, NEW.contents) WITH ORDINALITY AS a (record, at, content, place) LOOP
        head.hash := sha256(convert_to('selfheal link 1', 'UTF8') || head.hash
            || int8send(head.seq + added.place) || int8send(added.record) || int8send(added.at) || added.content);
        links[added.place] := head.hash;
    END LOOP;
    INSERT INTO audit
        SELECT head.seq + place, record, at, content, link
        FROM unnest(NEW.records, NEW.ats, NEW.contents, links) WITH ORDINALITY
            AS linked (record, at, content, link, place);
    UPDATE audit_head SET seq = head.seq + cardinality(NEW.records), hash = head.hash WHERE id = 1;
    DELETE FROM audit_waiting WHERE id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER records_are_linked AFTER INSERT ON records REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit_gather();
CREATE CONSTRAINT TRIGGER waiting_are_linked AFTER INSERT ON audit_waiting DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_link();

-- A target may have a name of any length, of which this index keeps a number only: a row of the one before has 2.7 KB of room.
DROP INDEX intents_to_revert_by_target;
CREATE INDEX intents_to_revert_by_target ON intents USING hash (target) WHERE revert_at IS NOT NULL;
