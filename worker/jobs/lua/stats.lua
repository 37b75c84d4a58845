#!lua flags=no-writes
-- {queued, running, bytes, seconds per job or false, counters, {worker, info, ...} heard in the last 15 seconds}.
local engines = {}
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', seconds(now - 15), '+inf')) do
  engines[#engines + 1] = worker
  engines[#engines + 1] = redis.call('HGET', P .. 'engines', worker)
end
return {redis.call('ZCARD', P .. 'ready'), redis.call('ZCARD', P .. 'running'), bytes_held(),
  redis.call('GET', P .. 'seconds_per_job'), redis.call('HGETALL', P .. 'counters'), engines}
