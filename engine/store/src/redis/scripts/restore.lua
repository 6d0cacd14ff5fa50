-- Takes in a claim of the past. What is known of it already is not counted again.
local at, running = tonumber(ARGV[8]), ARGV[9] == '1'

local function recount(key)
    local remaining = at + window - now
    if remaining <= 0 then return end
    redis.call('ZADD', key, 'NX', string.format('%.0f', at), holder)
    if redis.call('PTTL', key) < remaining then redis.call('PEXPIRE', key, string.format('%.0f', remaining)) end
end

recount(KEYS[2])
for i = 1, target_count do
    local _, cools, grants = target_keys(i)
    recount(grants)
    local cooling = at + cooldown - now
    if cooling > 0 then redis.call('SET', cools, holder, 'PX', string.format('%.0f', cooling), 'NX') end
end
if running and redis.call('EXISTS', KEYS[4]) == 0 then
    local found = read()
    if not found[1] and not found[2] then take() end
end
return false
