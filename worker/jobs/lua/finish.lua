#!lua flags=allow-oom
-- Store the results of jobs and succeed. Answers 1 for each, or 0 for a stale claim or a job that was cancelled: a flag
-- that came before the result wins, for its user was told. An outcome is the job's id, its fence, its results, how many
-- tokens they took, and the number of its artifacts; then each one's name, its JSON, its bytes.
local function succeed(id, results, tokens, first, last)
  local key = job_key(id)
  local size = #results
  redis.call('HSET', key, 'results', results)
  for i = first, last, 3 do
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
end

local answers, at = {}, 2
while at < #ARGV do
  local id, fence, results, tokens, artifacts = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  local behind = at + 5 + 3 * artifacts
  local state = standing(id, fence)
  if state == 'held' then
    succeed(id, results, tokens, at + 5, behind - 1)
  elseif state == 'cancel' then
    settle_cancelled(id)
  end
  answers[#answers + 1] = (state == 'held' or state == 'succeeded') and 1 or 0  -- succeeded: the same call again
  at = behind
end
return answers
