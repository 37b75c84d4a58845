#!lua flags=no-writes
-- The record of one job, or nil.
return record(ARGV[2])
