#!lua
-- Store a job, queued, once for each idempotency key. Answers {outcome, record or what Retry-After is made from}:
--   created, known (the key's job), conflict (the key's job had another request), full (too many wait), no_room (bytes).
-- The caller drew the id, so the same call sent twice makes one job.
local id, owner, kind, request, prime = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local cost, deadline_seconds, idem, fingerprint = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local weight = tonumber(ARGV[11])
local key = job_key(id)

-- Start-time fair queueing: the job starts, in virtual time, when its owner's last one is over, and not in the past.
-- Answers its start tag and its finish tag.
local function draw_tags()
  local fair = redis.call('HMGET', P .. 'fair', 'virtual', 'top')
  local virtual, top = tonumber(fair[1] or 0), tonumber(fair[2] or 0)
  if redis.call('ZCARD', P .. 'ready') == 0 then
    virtual = top  -- nobody waits, so nobody was kept waiting
  end
  local tag = P .. 'tag:' .. owner
  local start = math.max(virtual, tonumber(redis.call('GET', tag) or 0))
  local finish = start + weight
  redis.call('HSET', P .. 'fair', 'virtual', exactly(virtual), 'top', exactly(math.max(top, finish)))
  local needed = math.max(1, math.ceil(deadline_seconds * 1000), redis.call('PTTL', tag))
  redis.call('SET', tag, exactly(finish), 'PX', string.format('%.0f', needed))
  return exactly(start), exactly(finish)
end

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
local start, finish = draw_tags()
local deadline = seconds(now + deadline_seconds)
redis.call('HSET', key, 'id', id, 'owner', owner, 'kind', kind, 'status', 'queued', 'request', request, 'cost', cost,
  'seq', seq, 'start', start, 'finish', finish, 'fence', 0, 'losses', 0, 'attempt', 0, 'step', 0, 'total', 0,
  'has_prime', prime ~= '' and 1 or 0, 'created_at', seconds(now), 'deadline_at', deadline, 'woken_at', seconds(now),
  'ready_at', seconds(now))
if prime ~= '' then
  redis.call('SET', key .. ':prime', prime)
end
if idem ~= '' then
  redis.call('HSET', key, 'idem', idem)
  redis.call('HSET', P .. 'idem:' .. idem, 'job', id, 'fingerprint', fingerprint)
end
redis.call('ZADD', P .. 'ready', start, place_of(id))
redis.call('ZADD', P .. 'deadlines', deadline, id)
redis.call('ZADD', P .. 'owner:' .. owner, seq, id)
redis.call('HSET', P .. 'owners', id, owner)
redis.call('HINCRBY', P .. 'counters', 'jobs_submitted', 1)
grow(id, size)
event(id, 'queued', '{"position":' .. redis.call('ZRANK', P .. 'ready', place_of(id)) .. '}')
return {'created', record(id)}
