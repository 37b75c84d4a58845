#!lua flags=allow-oom
-- Queued: cancelled now. Running: flagged. From then on every script ends the job as cancelled, whatever its engine
-- reports: nobody who was told of a cancel sees the job succeed. Answers the record, or nil.
local id = ARGV[2]
local status = redis.call('HGET', job_key(id), 'status')
if status == 'queued' then
  settle_cancelled(id)
elseif status == 'running' then
  redis.call('HSET', job_key(id), 'cancel', 1)
end
return record(id)
