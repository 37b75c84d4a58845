#!lua flags=allow-oom
-- Hand a job back to the front of the queue, no attempt charged; a flagged one is cancelled. Answers 1 or 0.
local id, fence = ARGV[2], ARGV[3]
local state = standing(id, fence)
if state == 'held' then
  requeue(id, 'released')
elseif state == 'cancel' then
  settle_cancelled(id)
end
return (state == 'held' or state == 'cancel' or state == 'queued' or state == 'cancelled') and 1 or 0
