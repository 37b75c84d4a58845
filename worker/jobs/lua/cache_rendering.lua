#!lua
-- Keep a rendering of a result beside it. Answers 1 when it is there now, 0 when it is not kept.
local id, name, info, data = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = job_key(id)
if redis.call('HGET', key, 'status') ~= 'succeeded' then
  return 0
elseif redis.call('HEXISTS', key .. ':artifacts', name) == 1 then
  return 1  -- same result, same bytes
end
make_room(settings.store_bytes - #data, id)
if bytes_held() + #data > settings.store_bytes then
  return 0
end
redis.call('HSET', key .. ':artifacts', name, info)
redis.call('HSET', key .. ':blobs', name, data)
grow(id, #data)
expire_together(id)
return 1
