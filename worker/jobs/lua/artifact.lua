#!lua flags=no-writes
-- {status, the artifact's JSON or false, its bytes or false}, or nil when there is no such job.
local id, name = ARGV[2], ARGV[3]
local status = redis.call('HGET', job_key(id), 'status')
if not status then
  return nil
end
local key = job_key(id)
return {status, redis.call('HGET', key .. ':artifacts', name), redis.call('HGET', key .. ':blobs', name)}
