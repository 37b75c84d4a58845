#!lua
-- Store a job, queued, once for each idempotency key. Answers {outcome, record or what Retry-After is made from}:
--   created, known (the key's job), conflict (the key's job had another request), full (too many wait), no_room (bytes).
-- The caller drew the id, so the same call sent twice makes one job.
local id, owner, kind, request, prime = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local cost, deadline_seconds, idem, fingerprint = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local key = job_key(id)

if redis.call('EXISTS', key) == 1 then
  return {'created', record(id)}
end
if idem ~= '' then
  local held = redis.call('HMGET', P .. 'idem:' .. idem, 'job', 'fingerprint')
  local known = held[1] and record(held[1])
  if known then
    return held[2] == fingerprint and {'known', known} or {'conflict', false}
  end
end
if redis.call('ZCARD', P .. 'ready') >= settings.queue_limit then
  return {'full', redis.call('GET', P .. 'seconds_per_job')}
end
local size = RECORD_BYTES + #request + #prime
make_room(settings.store_bytes - size)
if bytes_held() + size > settings.store_bytes then
  return {'no_room', redis.call('GET', P .. 'seconds_per_job')}
end

local seq = redis.call('INCR', P .. 'seq')
local deadline = seconds(now + deadline_seconds)
redis.call('HSET', key, 'id', id, 'owner', owner, 'kind', kind, 'status', 'queued', 'request', request, 'cost', cost,
  'seq', seq, 'fence', 0, 'losses', 0, 'attempt', 0, 'step', 0, 'total', 0, 'has_prime', prime ~= '' and 1 or 0,
  'created_at', seconds(now), 'deadline_at', deadline, 'woken_at', seconds(now))
if prime ~= '' then
  redis.call('SET', key .. ':prime', prime)
end
if idem ~= '' then
  redis.call('HSET', key, 'idem', idem)
  redis.call('HSET', P .. 'idem:' .. idem, 'job', id, 'fingerprint', fingerprint)
end
redis.call('ZADD', P .. 'ready', ready_score(seq), id)
redis.call('ZADD', P .. 'deadlines', deadline, id)
redis.call('ZADD', P .. 'owner:' .. owner, seq, id)
redis.call('HSET', P .. 'owners', id, owner)
redis.call('HINCRBY', P .. 'counters', 'jobs_submitted', 1)
grow(id, size)
event(id, 'queued', '{"position":' .. redis.call('ZRANK', P .. 'ready', id) .. '}')
return {'created', record(id)}
