-- Everything that a worker's answers have gathered since the last tick, in one call.
-- ARGV: updates (msgpack), ttl running ms. An update is a list, for it is sent twenty times a second for each answer;
-- UPDATE has the place of each of its fields.
-- Token 0 only sets the state (queued, loading) of an answer that is not being written yet.
-- Answers one status per update: ok | stale | ended | finished | gone. A seq that was seen is ok and changes nothing.
local updates, ttl_ms = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2])
local replies = {}

-- Each battle's hash is read and its counter written once per call, however many of its answers are in it.
local battles = {}

local function battle_of(b)
  local battle = battles[b]
  if not battle then
    battle = read_hash(battle_key(b), {'name', 'ended', 'answers', 'n'})
    battle.id, battle.log = b, log_key(b)
    battle.answers, battle.n = tonumber(battle.answers or ''), tonumber(battle.n or '')
    battles[b] = battle
  end
  return battle
end

-- Log an event of a battle; false when its log is missing.
local function log_event(battle, event, data)
  local n = battle.n + 1
  if not redis.call('XADD', battle.log, 'NOMKSTREAM', n .. '-0', 'e', event, 'd', data) then return false end
  battle.n, battle.grown = n, true
  news[#news + 1] = {battle.id, battle.name, n, event, data}
  return true
end

local function set_state(battle, key, answer, update)
  local state, extra = update[UPDATE.state], update[UPDATE.extra]
  local idle = answer.state == 'waiting' or answer.state == 'queued' or answer.state == 'loading'
  if not idle or answer.finish ~= '' then return 'stale' end
  redis.call('HSET', key, 'state', state, 'extra', extra)
  if answer.stage ~= '' and not log_event(battle, 'status', status_data(answer.stage, state, extra)) then
    return 'gone'
  end
  return 'ok'
end

-- Append to the text; false when it was not all there (its key has gone).
local function append_text(b, n, text, length)
  local key = text_key(b, n)
  if length == 0 and redis.call('EXISTS', key) == 0 then return false end
  if redis.call('APPEND', key, text) == length + #text then return true end
  redis.call('DEL', key)
  return false
end

local function store(battle, key, answer, update)
  local seq, text, state = update[UPDATE.seq], update[UPDATE.text], update[UPDATE.state]
  local finish, leak = update[UPDATE.finish], update[UPDATE.leak]
  local stage, length, logged = answer.stage, tonumber(answer.len), true
  if update[UPDATE.restart] then
    -- What was written turned out to be no part of the answer.
    redis.call('SET', text_key(battle.id, update[UPDATE.answer]), '', 'PX', ttl_ms)
    redis.call('HSET', key, 'state', 'waiting', 'extra', '', 'leak', '')
    length, answer.state = 0, 'waiting'
    if stage ~= '' then logged = log_event(battle, 'reset', place_of(stage) .. '}') end
  end
  if #text > 0 and not append_text(battle.id, update[UPDATE.answer], text, length) then return 'gone' end
  if state ~= '' and answer.state ~= state then
    redis.call('HSET', key, 'state', state, 'extra', '')
    if stage ~= '' then logged = log_event(battle, 'status', status_data(stage, state, '')) and logged end
  end
  if #text > 0 and stage ~= '' then logged = log_event(battle, 'delta', delta_data(stage, text)) and logged end
  if finish ~= '' then
    local reached = (finish == 'stop' or finish == 'length') and 'done' or 'failed'
    local err = update[UPDATE.error]
    redis.call('HSET', key, 'finish', finish, 'error', err, 'timing', update[UPDATE.timing], 'state', reached)
    if stage ~= '' then logged = log_event(battle, 'answer', answer_data(stage, finish, err)) and logged end
  end
  -- That an answer names its model is kept for the end and never logged: viewers would learn the model.
  if (leak or '') ~= '' then redis.call('HSET', key, 'leak', leak) end
  redis.call('HSET', key, 'seq', seq, 'len', length + #text)
  -- All keys share one time to live. An answer writes some twenty times a second: every 64th renewal is enough.
  if seq % 64 == 1 then renew(battle.id, battle.answers, ttl_ms) end
  return logged and 'ok' or 'gone'
end

-- What `write` needs of an answer. Spelled out, for a loop over the names is measurably slower here.
local function read_answer(key)
  local v = redis.call('HMGET', key, 'token', 'seq', 'stage', 'finish', 'len', 'state')
  return {token = tonumber(v[1] or ''), seq = tonumber(v[2] or ''), stage = v[3], finish = v[4], len = v[5], state = v[6]}
end

local function write(update)
  local name, token = update[UPDATE.name], update[UPDATE.token]
  local battle, key = battle_of(update[UPDATE.battle]), answer_key(update[UPDATE.battle], update[UPDATE.answer])
  if not battle.name or (name ~= '' and battle.name ~= name) then return 'gone' end
  local answer = read_answer(key)
  if not answer.token then return 'gone' end
  if token > 0 and answer.token == token and update[UPDATE.seq] <= answer.seq then return 'ok' end
  if battle.ended == '1' then return 'ended' end
  if token == 0 then return set_state(battle, key, answer, update) end
  if answer.token ~= token then return 'stale' end
  if answer.finish ~= '' then return 'finished' end
  return store(battle, key, answer, update)
end

for i, update in ipairs(updates) do replies[i] = write(update) end
for b, battle in pairs(battles) do
  if battle.grown then redis.call('HSET', battle_key(b), 'n', battle.n) end
end
publish_news()
return replies
