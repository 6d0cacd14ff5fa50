-- What stands in the way of a claim, by Redis's own clock. Shared by the scripts that ask.
--
-- KEYS: running, granted, duplicate, released mark, then for each target: its holder, its cooldown, its grants; last, the
-- mark that says to which history all was told.
-- ARGV: holder, lease, cooldown, rate window (milliseconds), most per target, most in all, most at once, when
-- it was granted (milliseconds, to restore), whether it runs, then the targets.
--
-- Whatever belongs to the holder who asks does not stand in its way: that makes a repeated reservation the same as the
-- first.

local holder, lease, cooldown, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local per_target_max, in_all_max, concurrent_max = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local target_count = #ARGV - 9

local function target(index) return ARGV[9 + index] end
local function target_keys(index)
    local first = 4 + (index - 1) * 3
    return KEYS[first + 1], KEYS[first + 2], KEYS[first + 3]
end

-- Who else has a key, or false.
local function other(key)
    local who = redis.call('GET', key)
    if who and who ~= holder then return who end
    return false
end

-- How long until there is room for another grant in a window, or -1 when there is room now.
local function full(key, most)
    if most == 0 then return window end
    local ended = redis.call('ZCOUNT', key, '-inf', string.format('%.0f', now - window))
    local own = redis.call('ZRANK', key, holder)
    if own and own < ended then own = false end
    local others = redis.call('ZCARD', key) - ended - (own and 1 or 0)
    if others < most then return -1 end
    -- The oldest whose end makes room.
    local at = ended + others - most
    if own and own <= at then at = at + 1 end
    local granted_at = redis.call('ZRANGE', key, at, at, 'WITHSCORES')[2]
    return math.max(granted_at + window - now, 0)
end

-- { duplicate, busy target, its holder, cooling, full target, its wait, wait for all, running }
local function read()
    local busy_target, busy_holder, cooling, full_target, full_wait = false, false, -1, false, -1
    for i = 1, target_count do
        local held, cools, grants = target_keys(i)
        local who = other(held)
        if who and not busy_target then busy_target, busy_holder = target(i), who end
        if other(cools) then cooling = math.max(cooling, redis.call('PTTL', cools)) end
        local wait = full(grants, per_target_max)
        if wait > full_wait then full_target, full_wait = target(i), wait end
    end
    local running = redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
    local own = redis.call('ZSCORE', KEYS[1], holder)
    if own and tonumber(own) > now then running = running - 1 end
    return { other(KEYS[3]), busy_target, busy_holder, cooling, full_target, full_wait, full(KEYS[2], in_all_max), running }
end

-- Takes, or keeps, the targets and the place among the running ones for a lease.
local function take()
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), holder)
    if redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], lease) end
    redis.call('SET', KEYS[3], holder, 'PX', lease)
    for i = 1, target_count do
        local held = target_keys(i)
        redis.call('SET', held, holder, 'PX', lease)
    end
end

-- Counts a grant once for each holder.
local function count(key)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - window))
    redis.call('ZADD', key, 'NX', string.format('%.0f', now), holder)
    if redis.call('PTTL', key) < window then redis.call('PEXPIRE', key, window) end
end
