#!lua flags=allow-oom
-- Renew the lease and say how far the job is; each further argument is the JSON of a token event.
-- A flagged job's lease is not renewed: it ends by the reaper when its engine does not stop.
local id, fence, step, total = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local state = standing(id, fence)
if state == 'cancel' or state == 'cancelled' then
  return 'cancelled'
elseif state ~= 'held' then
  return 'lost'
end
redis.call('ZADD', P .. 'running', seconds(now + settings.lease_seconds), id)
local before = redis.call('HMGET', job_key(id), 'step', 'total')
if before[1] ~= step or before[2] ~= total then
  redis.call('HSET', job_key(id), 'step', step, 'total', total)
  event(id, 'progress', '{"step":' .. step .. ',"total":' .. total .. '}')
end
for i = 6, #ARGV do
  event(id, 'token', ARGV[i])
end
return 'go_on'
