#!lua flags=allow-oom
-- The engine has stopped a flagged job. Answers 1 or 0.
local id, fence = ARGV[2], ARGV[3]
local state = standing(id, fence)
if state == 'cancel' then
  settle_cancelled(id)
end
return (state == 'cancel' or state == 'cancelled') and 1 or 0
