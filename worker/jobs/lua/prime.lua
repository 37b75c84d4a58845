#!lua flags=no-writes
-- {the prime or false}, or nil when there is no such job.
if redis.call('EXISTS', job_key(ARGV[2])) == 0 then
  return nil
end
return {redis.call('GET', job_key(ARGV[2]) .. ':prime')}
