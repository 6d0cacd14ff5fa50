-- Keeps what the holder has for another lease, and takes it up again where the lease ended and nobody else took it.
if not knows(KEYS[#KEYS]) then return forgot() end
if redis.call('EXISTS', KEYS[4]) == 1 then return 'cannot renew what it has released' end
local found = read()
if found[1] then return 'the lease has ended and ' .. found[1] .. ' treats the issue' end
if found[2] then return 'the lease has ended and ' .. found[3] .. ' has ' .. found[2] end
take()
return false
