-- Everything that a worker's answers have gathered since the last tick, in one call.
-- ARGV: items (msgpack), ttl running ms. An item: {battle, name, answer, token, seq, text, state, extra, finish, error, timing, leak, restart}
-- Token 0 tells only a state (queued, loading) of an answer that is not being written yet.
-- Answers one status per item: ok | stale | ended | finished | gone. A seq that was seen is ok and changes nothing.
local items, ttl_ms = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2])
local replies = {}

-- Each battle's hash is read and its counter written once per call, however many of its answers are in it.
local battles = {}

local function battle_of(b)
  local battle = battles[b]
  if not battle then
    local h = redis.call('HMGET', battle_key(b), 'name', 'ended', 'answers', 'n')
    battle = {name = h[1], ended = h[2] == '1', answers = tonumber(h[3]), n = tonumber(h[4]), log = log_key(b)}
    battles[b] = battle
  end
  return battle
end

local function tell(b, battle, event, data)
  local n = battle.n + 1
  if not redis.call('XADD', battle.log, 'NOMKSTREAM', n .. '-0', 'e', event, 'd', data) then return false end
  battle.n, battle.told = n, true
  news[#news + 1] = {b, battle.name, n, event, data}
  return true
end

local function tell_state(b, battle, key, a, state, extra)
  local idle = a[6] == 'waiting' or a[6] == 'queued' or a[6] == 'loading'
  if not idle or a[4] ~= '' then return 'stale' end
  redis.call('HSET', key, 'state', state, 'extra', extra)
  if a[3] ~= '' and not tell(b, battle, 'status', status_data(a[3], state, extra)) then return 'gone' end
  return 'ok'
end

-- Append to the text; false when it was not all there (its key has gone).
local function grow(b, n, text, length)
  local key = text_key(b, n)
  if length == 0 and redis.call('EXISTS', key) == 0 then return false end
  if redis.call('APPEND', key, text) == length + #text then return true end
  redis.call('DEL', key)
  return false
end

local function store(b, battle, key, a, item)
  local stage, seq, text, state, finish, err = a[3], item[5], item[6], item[7], item[9], item[10]
  local length = tonumber(a[5])
  local there = true
  if item[13] then
    -- What was written turned out to be no part of the answer.
    redis.call('SET', text_key(b, item[3]), '', 'PX', ttl_ms)
    redis.call('HSET', key, 'state', 'waiting', 'extra', '', 'leak', '')
    length, a[6] = 0, 'waiting'
    if stage ~= '' then there = tell(b, battle, 'reset', place_of(stage) .. '}') end
  end
  if #text > 0 and not grow(b, item[3], text, length) then return 'gone' end
  if state ~= '' and a[6] ~= state then
    redis.call('HSET', key, 'state', state, 'extra', '')
    if stage ~= '' then there = tell(b, battle, 'status', status_data(stage, state, '')) and there end
  end
  if #text > 0 and stage ~= '' then there = tell(b, battle, 'delta', delta_data(stage, text)) and there end
  if finish ~= '' then
    local reached = (finish == 'stop' or finish == 'length') and 'done' or 'failed'
    redis.call('HSET', key, 'finish', finish, 'error', err, 'timing', item[11], 'state', reached)
    if stage ~= '' then there = tell(b, battle, 'answer', answer_data(stage, finish, err)) and there end
  end
  -- Whether an answer names its model is nobody's business before the end: it is kept, never logged.
  if (item[12] or '') ~= '' then redis.call('HSET', key, 'leak', item[12]) end
  redis.call('HSET', key, 'seq', seq, 'len', length + #text)
  -- All keys share one time to live. An answer writes some twenty times a second: every 64th renewal is enough.
  if seq % 64 == 1 then renew(b, battle.answers, ttl_ms) end
  return there and 'ok' or 'gone'
end

local function write(item)
  local b, name, n, token, seq = item[1], item[2], item[3], item[4], item[5]
  local battle, key = battle_of(b), answer_key(b, n)
  if not battle.name or (name ~= '' and battle.name ~= name) then return 'gone' end
  local a = redis.call('HMGET', key, 'token', 'seq', 'stage', 'finish', 'len', 'state')
  if not a[1] then return 'gone' end
  if token > 0 and tonumber(a[1]) == token and seq <= tonumber(a[2]) then return 'ok' end
  if battle.ended then return 'ended' end
  if token == 0 then return tell_state(b, battle, key, a, item[7], item[8]) end
  if tonumber(a[1]) ~= token then return 'stale' end
  if a[4] ~= '' then return 'finished' end
  return store(b, battle, key, a, item)
end

for i, item in ipairs(items) do replies[i] = write(item) end
for b, battle in pairs(battles) do
  if battle.told then redis.call('HSET', battle_key(b), 'n', battle.n) end
end
publish_news()
return replies
