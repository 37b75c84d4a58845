#!lua flags=allow-oom
-- End a running job as failed; `problem` is JSON {code, message}. A flagged job is cancelled instead. Answers 1 or 0.
local id, fence, problem = ARGV[2], ARGV[3], ARGV[4]
local state = standing(id, fence)
if state == 'held' then
  settle_failed(id, problem)
elseif state == 'cancel' then
  settle_cancelled(id)
end
return (state == 'held' or state == 'failed') and 1 or 0
