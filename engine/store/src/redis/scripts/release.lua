-- Gives back the targets and the place; cooldowns and rates stay counted. The mark keeps a late renewal from taking
-- them up again.
redis.call('ZREM', KEYS[1], holder)
if redis.call('GET', KEYS[3]) == holder then redis.call('DEL', KEYS[3]) end
for i = 1, target_count do
    local held = target_keys(i)
    if redis.call('GET', held) == holder then redis.call('DEL', held) end
end
redis.call('SET', KEYS[4], '1', 'PX', lease)
return false
