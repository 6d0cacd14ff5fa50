-- Whether this user may write the ledger's keys, and Redis takes writes.
--
-- KEYS: a key of its own. ARGV: how long it lives (seconds).
redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
return redis.call('GET', KEYS[1])
