#!lua flags=allow-oom
-- Store the results and succeed. Answers 1, or 0 for a stale claim or a job that was cancelled: a flag that came before
-- the result wins, for its user was told. After `tokens` follow triples: the artifact's name, its JSON, its bytes.
local id, fence, results, tokens = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local state = standing(id, fence)
if state == 'succeeded' then
  return 1  -- the same call again
elseif state == 'cancel' then
  settle_cancelled(id)
  return 0
elseif state ~= 'held' then
  return 0
end
local key = job_key(id)
local size = #results
redis.call('HSET', key, 'results', results)
for i = 6, #ARGV, 3 do
  redis.call('HSET', key .. ':artifacts', ARGV[i], ARGV[i + 1])
  redis.call('HSET', key .. ':blobs', ARGV[i], ARGV[i + 2])
  event(id, 'artifact', ARGV[i + 1])
  size = size + #ARGV[i + 2]
end
local took = now - tonumber(redis.call('HGET', key, 'started_at'))
local mean = tonumber(redis.call('GET', P .. 'seconds_per_job') or took)
redis.call('SET', P .. 'seconds_per_job', seconds(mean + (took - mean) / 5))
redis.call('HINCRBY', P .. 'counters', 'tokens', tokens)
grow(id, size)
settle(id, 'succeeded', 'done', '{"status":"succeeded"}')
make_room(settings.store_bytes, id)
return 1
