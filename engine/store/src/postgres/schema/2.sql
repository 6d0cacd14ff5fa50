-- Each sink has a queue of its own, and in it the messages about one issue have an order.
ALTER TABLE outbox ADD COLUMN subject bigint;
DROP INDEX outbox_by_time;
CREATE INDEX outbox_by_time ON outbox (sink, next_at, id);
CREATE INDEX outbox_by_subject ON outbox (sink, subject, id) WHERE subject IS NOT NULL;
