"""Scripts on the frames Redis: what must happen in one step, or must not bring pictures along."""

from __future__ import annotations

# Ids alone: the entries themselves carry a picture each. At its memory limit the server answers all
# the same.
_BOUNDS = """
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #first == 0 then return {} end
return {first[1][1], redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][1]}
"""
BOUNDS = f"#!lua flags=no-writes,allow-oom\n{_BOUNDS}"
HOLD = """#!lua flags=allow-oom
redis.call('ZADD', KEYS[1], unpack(ARGV, 2))
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
HOLD_THEN_BOUNDS = f"""#!lua flags=allow-oom
if #ARGV > 1 then
  redis.call('ZADD', KEYS[2], unpack(ARGV, 2))
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
{_BOUNDS}
"""
# In one step, so that frames are held throughout. A segment that has a hold keeps it, for the pacer
# moves it.
HAND_OVER = """#!lua flags=allow-oom
local last, new = 2 + tonumber(ARGV[2]), 0
if last > 2 then
  new = redis.call('ZADD', KEYS[1], 'NX', unpack(ARGV, 3, last))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
if #ARGV > last then redis.call('ZREM', KEYS[1], unpack(ARGV, last + 1)) end
return new
"""
# In one step, so that no hold is set between the look at the holds and the deletion.
SHED = """#!lua flags=allow-oom
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #first == 0 then return 0 end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local oldest, newest = string.match(first[1][1], '%d+'), string.match(last[1][1], '%d+')
local keep_from = oldest + math.floor((newest - oldest) / 2) + 1
local held = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if #held > 0 then keep_from = math.min(keep_from, math.floor(held[2])) end
return redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-0', keep_from))
"""
MARK = """#!lua flags=no-writes,allow-oom
local found = redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', 1)
if #found == 0 then return {} end
local answer = {found[1][1]}
local fields = found[1][2]
for i = 1, #fields, 2 do
  if fields[i] ~= 'j' and fields[i] ~= 'p' then answer[#answer + 1] = fields[i]; answer[#answer + 1] = fields[i + 1] end
end
return answer
"""
