-- Everything that a worker's answers have gathered since the last tick, in one call.
-- ARGV: updates (msgpack), ttl running ms. An update is a list, for it is sent twenty times a second for each answer: the
-- fields of AnswerUpdate (app/arena/store.py) in its order. They, and what is read of hashes, are unpacked into locals:
-- tables by name made this script a tenth slower.
-- Token 0 only sets the state (queued, loading) of an answer that is not being written yet.
-- Answers one status per update: ok | stale | ended | finished | gone. A seq that was seen is ok and changes nothing.
local updates, ttl_ms = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2])
local replies = {}

-- Each battle's hash is read and its counter written once per call, however many of its answers are in it.
local battles = {}

local function battle_of(id)
  local battle = battles[id]
  if not battle then
    local name, ended, answers, n = unpack(redis_call('HMGET', battle_key(id), 'name', 'ended', 'answers', 'n'))
    battle = {id = id, log = log_key(id), name = name, ended = ended == '1'}
    battle.answers, battle.n = tonumber(answers or ''), tonumber(n or '')
    battles[id] = battle
  end
  return battle
end

-- Log an event of a battle; false when its log is missing.
local function log_event(battle, event, data)
  local n = battle.n + 1
  if not redis_call('XADD', battle.log, 'NOMKSTREAM', n .. '-0', 'e', event, 'd', data) then return false end
  battle.n, battle.grown = n, true
  news[#news + 1] = {battle.id, battle.name, n, event, data}
  return true
end

-- Set the state of an answer that nobody writes yet, whose state is `old`.
local function set_state(of, key, stage, old, state, extra)
  if old ~= 'waiting' and old ~= 'queued' and old ~= 'loading' then return 'stale' end
  redis_call('HSET', key, 'state', state, 'extra', extra)
  if stage ~= '' and not log_event(of, 'status', status_data(stage, state, extra)) then return 'gone' end
  return 'ok'
end

-- Append to the text; false when it was not all there (its key has gone).
local function append_text(key, text, length)
  if length == 0 and redis_call('EXISTS', key) == 0 then return false end
  if redis_call('APPEND', key, text) == length + #text then return true end
  redis_call('DEL', key)
  return false
end

-- Drop what was written: it turned out to be no part of the answer.
local function restart_text(of, key, text_at, stage)
  redis_call('SET', text_at, '', 'PX', ttl_ms)
  redis_call('HSET', key, 'state', 'waiting', 'extra', '', 'leak', '')
  return stage == '' or log_event(of, 'reset', place_of(stage) .. '}')
end

-- Keep how the answer ended.
local function finish_answer(of, key, stage, finish, error, timing)
  local reached = (finish == 'stop' or finish == 'length') and 'done' or 'failed'
  redis_call('HSET', key, 'finish', finish, 'error', error, 'timing', timing, 'state', reached)
  return stage == '' or log_event(of, 'answer', answer_data(stage, finish, error))
end

-- Write an update of an answer that is `length` long and in the state `old`.
local function store(of, key, stage, length, old, update)
  local battle, name, answer, token, seq, text, state, extra, finish, error, timing, leak, restart = unpack(update)
  local text_at, logged = text_key(battle, answer), true
  if restart then
    logged = restart_text(of, key, text_at, stage)
    length, old = 0, 'waiting'
  end
  if #text > 0 and not append_text(text_at, text, length) then return 'gone' end
  if state ~= '' and old ~= state then
    redis_call('HSET', key, 'state', state, 'extra', '')
    if stage ~= '' then logged = log_event(of, 'status', status_data(stage, state, '')) and logged end
  end
  if #text > 0 and stage ~= '' then logged = log_event(of, 'delta', delta_data(stage, text)) and logged end
  if finish ~= '' then logged = finish_answer(of, key, stage, finish, error, timing) and logged end
  -- That an answer names its model is kept for the end and never logged: viewers would learn the model.
  if leak ~= '' then redis_call('HSET', key, 'leak', leak) end
  redis_call('HSET', key, 'seq', seq, 'len', length + #text)
  -- All keys share one time to live. An answer writes some twenty times a second: every 64th renewal is enough.
  if seq % 64 == 1 then renew(battle, of.answers, ttl_ms) end
  return logged and 'ok' or 'gone'
end

local function write(update)
  local battle, name, answer, token, seq, _, state, extra = unpack(update, 1, 8)
  local of, key = battle_of(battle), answer_key(battle, answer)
  if not of.name or (name ~= '' and of.name ~= name) then return 'gone' end
  local owner, seen, stage, finished, length, old =
    unpack(redis_call('HMGET', key, 'token', 'seq', 'stage', 'finish', 'len', 'state'))
  if not owner then return 'gone' end
  owner = tonumber(owner)
  if token > 0 and owner == token and seq <= tonumber(seen) then return 'ok' end
  if of.ended then return 'ended' end
  if token > 0 and owner ~= token then return 'stale' end
  if finished ~= '' then return token > 0 and 'finished' or 'stale' end
  if token == 0 then return set_state(of, key, stage, old, state, extra) end
  return store(of, key, stage, tonumber(length), old, update)
end

for i, update in ipairs(updates) do replies[i] = write(update) end
for id, battle in pairs(battles) do
  if battle.grown then redis_call('HSET', battle_key(id), 'n', battle.n) end
end
publish_news()
return replies
