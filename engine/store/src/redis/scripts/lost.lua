-- The history that has to be told what the journal knows; nothing, if it has been. What says so lives as long as
-- somebody looks.
--
-- KEYS: the mark. ARGV: how long it lives (seconds).
if not knows(KEYS[1]) then return history() end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return false
