-- The replication ID is Redis's name for one history of its data: a restart begins a new one, and so does a promotion.
-- Between the end of the one and the begin of the other, writes may be lost.
local function history()
    return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- Whether Redis has been told what the journal knows, and has not forgotten it.
local function knows(key)
    return redis.call('GET', key) == history()
end

local function forgot()
    return redis.error_reply('FORGOT Redis has lost the cooldowns and limits, or has failed over and may have; they are being restored from the journal')
end
