#!lua flags=allow-oom
-- Say that a worker lives, and forget those that have been silent for a minute.
local worker, info = ARGV[2], ARGV[3]
redis.call('ZADD', P .. 'workers', seconds(now), worker)
redis.call('HSET', P .. 'engines', worker, info)
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', '-inf', seconds(now - 60))) do
  redis.call('ZREM', P .. 'workers', silent)
  redis.call('HDEL', P .. 'engines', silent)
end
return 1
