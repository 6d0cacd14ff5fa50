-- Marks that all was told, if it was told to this history and not to one before it.
--
-- KEYS: the mark. ARGV: how long it lives (seconds), the history that was told.
if history() ~= ARGV[2] then return forgot() end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[1])
return false
