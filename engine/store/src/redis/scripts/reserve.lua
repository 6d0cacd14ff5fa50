-- Grants and counts all of a claim, or nothing.
if not knows(KEYS[#KEYS]) then return forgot() end
local found = read()
local duplicate, busy, cooling, full_target, all_full, running =
    found[1], found[2], found[4], found[5], found[7], found[8]
local granted = not duplicate and not busy and cooling < 0 and not full_target and all_full < 0 and running < concurrent_max
if granted then
    redis.call('DEL', KEYS[4])
    take()
    if window > 0 then count(KEYS[2]) end
    for i = 1, target_count do
        local _, cools, grants = target_keys(i)
        if window > 0 then count(grants) end
        -- The holder's own cooldown, if it stands, began with the first of its reservations.
        if cooldown > 0 then redis.call('SET', cools, holder, 'PX', cooldown, 'NX') end
    end
end
return { granted and 1 or 0, unpack(found, 1, 8) }
