#!lua flags=allow-oom
-- Put right what nobody else will: lost leases, passed deadlines, lost wake-ups, jobs past their retention.
-- Answers {requeued, failed, expired, cancelled, removed, {ids to wake}}.
local max_attempts, worker_lost, deadline_exceeded = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local WAKE_AFTER_SECONDS, WAKE_AT_MOST = 5, 10  -- a wake-up moves the front of the queue; the rest follows
local requeued, failed, expired, cancelled, removed = 0, 0, 0, 0, 0
local lease = settings.lease_seconds

-- Nobody reaped for longer than a lease: the server was away, so nobody could renew either.
local blind = now - tonumber(redis.call('GET', P .. 'reaped_at') or 0) > lease
redis.call('SET', P .. 'reaped_at', seconds(now))

local lapsed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'running', '-inf', seconds(now))) do
  if blind then
    redis.call('ZADD', P .. 'running', seconds(now + lease), id)
  else
    lapsed[id] = true
  end
end

-- The engine fails an overdue job itself; the reaper does it when the engine has not for another lease.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deadlines', '-inf', seconds(now))) do
  local job = redis.call('HMGET', job_key(id), 'status', 'cancel', 'deadline_at')
  if job[1] == 'queued' then
    settle_expired(id)
    expired = expired + 1
  elseif lapsed[id] or tonumber(job[3]) + lease <= now then
    lapsed[id] = nil
    if job[2] then
      settle_cancelled(id)
      cancelled = cancelled + 1
    else
      settle_failed(id, deadline_exceeded)
      failed = failed + 1
    end
  end
end

for id in pairs(lapsed) do
  if redis.call('HGET', job_key(id), 'cancel') then
    settle_cancelled(id)
    cancelled = cancelled + 1
  elseif redis.call('HINCRBY', job_key(id), 'losses', 1) >= max_attempts then
    settle_failed(id, worker_lost)
    failed = failed + 1
  else
    requeue(id, 'lease_lost')
    requeued = requeued + 1
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', seconds(now))) do
  remove(id)
  removed = removed + 1
end

local waiting = {}
for _, place in ipairs(redis.call('ZRANGE', P .. 'ready', 0, WAKE_AT_MOST - 1)) do
  local id = job_at(place)
  if tonumber(redis.call('HGET', job_key(id), 'woken_at') or now) + WAKE_AFTER_SECONDS <= now then
    redis.call('HSET', job_key(id), 'woken_at', seconds(now))
    waiting[#waiting + 1] = id
  end
end
return {requeued, failed, expired, cancelled, removed, waiting}
