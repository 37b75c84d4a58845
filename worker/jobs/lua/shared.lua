-- What every script begins with: the loader puts this behind the script's first line.
--
-- Keys (P is the prefix; `live` is queued or running):
--   P job:<id>            hash    the record, and what only the store needs: cost, seq, start, finish,
--                                 ready_at, fence, losses, worker, cancel, idem
--   P job:<id>:prime      string  the prime as JSON
--   P job:<id>:events     stream  capped; its ids are the ids of the SSE events
--   P job:<id>:artifacts  hash    name -> JSON {name, variation, media_type, bytes[, rendered]}
--   P job:<id>:blobs      hash    name -> bytes
--   P ready               zset    queued jobs, as `place_of` writes them; the score is the start tag, ZRANK the position
--   P fair                hash    virtual: the virtual time; top: the latest finish tag of all
--   P tag:<owner>         string  the finish tag of the owner's last job; gone when no job of the owner may still start
--   P running             zset    running jobs; the score is the end of the lease
--   P deadlines           zset    live jobs; the score is the deadline
--   P finished            zset    terminal jobs; the score is the time they ended (who goes first when room is needed)
--   P expiring            zset    terminal jobs that have a retention; the score is when they go
--   P owner:<owner>       zset    the owner's jobs; the score is their sequence number (history, paged by it)
--   P owners, P sizes     hash    job -> its owner, and the bytes it holds (they outlive a record that expired)
--   P idem:<hash>         hash    an idempotency key: job, fingerprint
--   P call:<worker>       string  the last claim of a worker, for a claim that is sent again
--   P workers, P engines  zset of the last heartbeats, hash of what they told
--   P seq, bytes, reaped_at, seconds_per_job, counters
--
-- Times are seconds on the server's clock. A script checks first and writes last: Lua here has no roll-back.

local settings = cjson.decode(ARGV[1])
local P = settings.prefix
local MAX_EVENTS = 1000
local EVENT_BYTES = 128  -- about what one entry of the stream costs
local RECORD_BYTES = 2048  -- about what the keys of an empty job cost

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function seconds(time)
  return string.format('%.6f', time)  -- tostring would keep 14 digits only
end

local function job_key(id)
  return P .. 'job:' .. id
end

-- A tag of fair queueing as text that reads back as the very same double.
local function exactly(tag)
  return string.format('%.17g', tag)
end

-- A job as a member of the ready set. Equal scores are ordered by their members' bytes, so by the sequence number: start
-- tags need no room for it, and (start, seq) orders exactly. Both stay a job's for life: one that comes back stands where
-- it stood.
local function place_of(id)
  return string.format('%016d', redis.call('HGET', job_key(id), 'seq') or 0) .. id
end

local function job_at(place)
  return place:sub(-32)
end

-- The record as Python reads it: its fields, its position or false, its artifacts; nil when there is none.
local function record(id)
  local fields = redis.call('HGETALL', job_key(id))
  if #fields == 0 then
    return nil
  end
  return {fields, redis.call('ZRANK', P .. 'ready', place_of(id)), redis.call('HVALS', job_key(id) .. ':artifacts')}
end

-- `data` is JSON text.
local function event(id, name, data)
  redis.call('XADD', job_key(id) .. ':events', 'MAXLEN', '~', MAX_EVENTS, '*', 'name', name, 'data', data)
end

local function grow(id, bytes)
  redis.call('HINCRBY', P .. 'sizes', id, bytes)
  redis.call('INCRBY', P .. 'bytes', bytes)
end

local function bytes_held()
  return tonumber(redis.call('GET', P .. 'bytes') or 0)
end

-- Take every trace of a job that has left the ready set away. Its record may have expired before.
local function remove(id)
  local key = job_key(id)
  local idem = redis.call('HGET', key, 'idem')
  if idem and redis.call('HGET', P .. 'idem:' .. idem, 'job') == id then
    redis.call('DEL', P .. 'idem:' .. idem)
  end
  local owner = redis.call('HGET', P .. 'owners', id)
  if owner then
    redis.call('ZREM', P .. 'owner:' .. owner, id)
  end
  redis.call('DECRBY', P .. 'bytes', redis.call('HGET', P .. 'sizes', id) or 0)
  redis.call('HDEL', P .. 'sizes', id)
  redis.call('HDEL', P .. 'owners', id)
  for _, index in ipairs({'running', 'deadlines', 'finished', 'expiring'}) do
    redis.call('ZREM', P .. index, id)
  end
  redis.call('DEL', key, key .. ':prime', key .. ':events', key .. ':artifacts', key .. ':blobs')
end

-- Remove the oldest finished jobs, but not `keep`, until all others hold no more than `limit` bytes.
local function make_room(limit, keep)
  local at = 0
  while bytes_held() > limit do
    local id = redis.call('ZRANGE', P .. 'finished', at, at)[1]
    if not id then
      return
    end
    if id == keep then
      at = at + 1
    else
      remove(id)
    end
  end
end

-- The record, artifacts, events and idempotency key of a finished job expire together.
local function expire_together(id)
  local key = job_key(id)
  local fields = redis.call('HMGET', key, 'expires_at', 'idem')
  if not fields[1] then
    return
  end
  local at = string.format('%.0f', tonumber(fields[1]) * 1000)
  for _, part in ipairs({'', ':prime', ':events', ':artifacts', ':blobs'}) do
    redis.call('PEXPIREAT', key .. part, at)
  end
  if fields[2] then
    redis.call('PEXPIREAT', P .. 'idem:' .. fields[2], at)
  end
end

-- The one way into a terminal state. `name` and `data` are its event.
local function settle(id, status, name, data)
  local key = job_key(id)
  redis.call('ZREM', P .. 'ready', place_of(id))
  redis.call('ZREM', P .. 'running', id)
  redis.call('ZREM', P .. 'deadlines', id)
  redis.call('HSET', key, 'status', status, 'finished_at', seconds(now))
  redis.call('ZADD', P .. 'finished', seconds(now), id)
  redis.call('HINCRBY', P .. 'counters', 'jobs_' .. status, 1)
  event(id, name, data)
  grow(id, EVENT_BYTES * redis.call('XLEN', key .. ':events'))
  if settings.retention_seconds > 0 then
    local at = seconds(now + settings.retention_seconds)
    redis.call('HSET', key, 'expires_at', at)
    redis.call('ZADD', P .. 'expiring', at, id)
    expire_together(id)
  end
end

local function settle_cancelled(id)
  settle(id, 'cancelled', 'cancelled', '{"status":"cancelled"}')
end

local function settle_expired(id)
  settle(id, 'expired', 'expired', '{"status":"expired"}')
end

-- `problem` is JSON {code, message}.
local function settle_failed(id, problem)
  redis.call('HSET', job_key(id), 'error', problem)
  settle(id, 'failed', 'failed', problem)
end

-- Back to where it stood. Its wake-up is due at once, so the next reap sends it.
local function requeue(id, reason)
  local key = job_key(id)
  redis.call('ZREM', P .. 'running', id)
  redis.call('HSET', key, 'status', 'queued', 'step', 0, 'total', 0, 'woken_at', 0, 'ready_at', seconds(now))
  redis.call('ZADD', P .. 'ready', redis.call('HGET', key, 'start') or 0, place_of(id))
  redis.call('HINCRBY', P .. 'counters', 'jobs_requeued', 1)
  event(id, 'reset', '{"reason":"' .. reason .. '"}')
  event(id, 'queued', '{"position":' .. redis.call('ZRANK', P .. 'ready', place_of(id)) .. '}')
end

-- What a claim may still do: 'held'; 'cancel' when it was flagged; the terminal status that this very claim (or its
-- cancelling) brought about, so that a verb sent again gets its first answer; else 'stale'.
local function standing(id, fence)
  local job = redis.call('HMGET', job_key(id), 'status', 'fence', 'cancel')
  if job[2] ~= fence then
    return 'stale'
  end
  if job[1] ~= 'running' then
    return job[1]
  end
  return job[3] and 'cancel' or 'held'
end
