#!lua flags=allow-oom
-- Queued: cancelled now, and its owner's next job does not stand back for it. Running: flagged; from then on every script
-- ends the job as cancelled, whatever its engine reports: nobody who was told of a cancel sees the job succeed. Answers
-- the record, or nil.
local id = ARGV[2]
local job = redis.call('HMGET', job_key(id), 'status', 'owner', 'start', 'finish')
local status = job[1]
if status == 'queued' then
  local tag = P .. 'tag:' .. job[2]
  if job[4] and redis.call('GET', tag) == job[4] then  -- the owner has asked for nothing since
    redis.call('SET', tag, job[3], 'KEEPTTL')
  end
  settle_cancelled(id)
elseif status == 'running' then
  redis.call('HSET', job_key(id), 'cancel', 1)
end
return record(id)
