#!lua flags=allow-oom
-- Take jobs from the front while their cost fits the free slots; a job too wide for what is left is not overtaken, so
-- it is not starved. Jobs begun under another numerics id are passed by; one that has waited for less than `waited`
-- seconds ends the claim. Answers {id, fence, request, prime, deadline}s.
-- `call` names this call: sent again after a lost answer, it gets the jobs that the first one took.
local worker, slots, numerics, call, waited = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local claims = {}

local function hand_over(id, fence)
  local job = redis.call('HMGET', job_key(id), 'request', 'deadline_at')
  claims[#claims + 1] = {id, fence, job[1], redis.call('GET', job_key(id) .. ':prime'), job[2]}
end

local last = redis.call('GET', P .. 'call:' .. worker)
last = last and cjson.decode(last)
if last and last.call == call then
  for _, taken in ipairs(last.taken) do
    local state = standing(taken.id, taken.fence)
    if state == 'held' or state == 'cancel' then
      hand_over(taken.id, taken.fence)
    end
  end
  return claims
end

local at, taken, served = 0, {}, 0
while slots > 0 do
  local place = redis.call('ZRANGE', P .. 'ready', at, at)[1]
  if not place then
    break
  end
  local id = job_at(place)
  local key = job_key(id)
  local job = redis.call('HMGET', key, 'status', 'cost', 'numerics', 'deadline_at', 'losses', 'ready_at', 'start')
  if job[1] ~= 'queued' then
    redis.call('ZREM', P .. 'ready', place)
    if not job[1] then
      remove(id)  -- somebody deleted the record by hand
    end
  elseif tonumber(job[4]) <= now then
    settle_expired(id)
  elseif job[3] and job[3] ~= numerics then
    at = at + 1
  elseif waited > 0 and tonumber(job[6] or 0) + waited > now then
    break
  elseif tonumber(job[2]) > slots then
    served = tonumber(job[7] or 0)  -- by keeping slots free for it
    break
  else
    local fence = tostring(redis.call('HINCRBY', key, 'fence', 1))
    local attempt = tonumber(job[5]) + 1
    redis.call('ZREM', P .. 'ready', place)
    redis.call('ZADD', P .. 'running', seconds(now + settings.lease_seconds), id)
    redis.call('HSET', key, 'status', 'running', 'worker', worker, 'numerics', numerics, 'attempt', attempt,
      'started_at', seconds(now))
    event(id, 'started', '{"attempt":' .. attempt .. '}')
    slots, served = slots - tonumber(job[2]), tonumber(job[7] or 0)
    taken[#taken + 1] = {id = id, fence = fence}
    hand_over(id, fence)
  end
end
if served > tonumber(redis.call('HGET', P .. 'fair', 'virtual') or 0) then
  redis.call('HSET', P .. 'fair', 'virtual', exactly(served))
end
if #taken > 0 then
  local held_for = math.ceil(settings.lease_seconds * 1000)
  redis.call('SET', P .. 'call:' .. worker, cjson.encode({call = call, taken = taken}), 'PX', held_for)
end
return claims
