#!lua flags=allow-oom
-- Renew leases and say how far the jobs are. Answers a verdict for each report; a report is the job's id, its fence, step
-- and total, then the number of its token events and the JSON of each.
-- A flagged job's lease is not renewed: it ends by the reaper when its engine does not stop.
local function renew(id, step, total)
  redis.call('ZADD', P .. 'running', seconds(now + settings.lease_seconds), id)
  local before = redis.call('HMGET', job_key(id), 'step', 'total')
  if before[1] ~= step or before[2] ~= total then
    redis.call('HSET', job_key(id), 'step', step, 'total', total)
    event(id, 'progress', '{"step":' .. step .. ',"total":' .. total .. '}')
  end
end

local verdicts, at = {}, 2
while at < #ARGV do
  local id, fence, step, total, tokens = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  local state = standing(id, fence)
  if state == 'held' then
    renew(id, step, total)
    for token = at + 5, at + 4 + tokens do
      event(id, 'token', ARGV[token])
    end
    verdicts[#verdicts + 1] = 'go_on'
  else
    verdicts[#verdicts + 1] = (state == 'cancel' or state == 'cancelled') and 'cancelled' or 'lost'
  end
  at = at + 5 + tokens
end
return verdicts
