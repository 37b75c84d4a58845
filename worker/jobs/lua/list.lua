#!lua flags=no-writes
-- At most `limit` records of an owner, newest first, with sequence numbers below the cursor ('' for the newest).
local owner, cursor, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local below = cursor == '' and '+inf' or '(' .. cursor
local found = {}
while #found < limit do
  local page = redis.call('ZREVRANGEBYSCORE', P .. 'owner:' .. owner, below, '-inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #page, 2 do
    local job = record(page[i])  -- nil when it has expired and no reaper has passed yet
    if job and #found < limit then
      found[#found + 1] = job
    end
    below = '(' .. page[i + 1]
  end
  if #page < 2 * limit then
    break
  end
end
return found
