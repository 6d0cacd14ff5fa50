-- What stands in the way, changing nothing.
if not knows(KEYS[#KEYS]) then return forgot() end
return { 0, unpack(read(), 1, 8) }
