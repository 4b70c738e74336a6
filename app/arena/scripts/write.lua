-- Everything that a worker's answers have gathered since the last tick, in one call.
-- ARGV: {updates, ttl_ms, rate, step} (msgpack). An update has the fields of AnswerUpdate (app/arena/store.py) by name,
-- without those that are empty. What is read of hashes is unpacked into locals, which costs less than a table
-- (python -m benchmarks.write_script compares versions).
-- rate: characters that each side is shown in a second at most; step: at once at least.
-- Token 0 only sets the state (queued, loading) of an answer that is not being written yet, or (whole, with the place
-- `round:side` as extra) shows an answer on stage whole from now on: somebody asked for that.
-- Answers one status per update: ok | stale | ended | finished | gone. A seq that was seen is ok and changes nothing.
-- A battle whose pace is even shows its two sides together, see `release`; docs/decisions/0027 says why.
local call = cmsgpack.unpack(ARGV[1])
local updates, ttl_ms = call.updates, call.ttl_ms
local replies = {}

-- Each battle's hash is read and its counter written once per call, however many of its answers are in it.
local battles = {}

local function battle_of(id)
  local battle = battles[id]
  if not battle then
    local name, ended, answers, n, pace = unpack(
      redis_call('HMGET', battle_key(id), 'name', 'ended', 'answers', 'n', 'pace'))
    battle = {id = id, log = log_key(id), name = name, ended = ended == '1', even = pace == 'even'}
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

local function waits(state) return state == '' or state == 'waiting' or state == 'queued' or state == 'loading' end

-- The larger of the numbers that both sides have for what they wait for.
local function larger(extras, name)
  local most
  for _, extra in ipairs(extras) do
    local number = tonumber(string.match(extra, '"' .. name .. '":(%d+)') or '')
    if number and (not most or number > most) then most = number end
  end
  return most and ',"' .. name .. '":' .. most or ''
end

-- Tell viewers what they wait for: the same on both sides, or it would tell which model has to be loaded. What they know
-- is told again only `anew`: of an answer that was begun anew they know nothing.
local function tell_queue(of, anew)
  local entries = redis_call('HMGET', battle_key(of.id), 'a', 'b', 'queue')
  if not entries[1] and not entries[2] then return true end -- a version without a pace opened it
  local extras, stages = {}, {}
  for place = 1, 2 do
    if entries[place] then
      local key = answer_key(of.id, entries[place])
      local state, extra, told, stage, finish =
        unpack(redis_call('HMGET', key, 'state', 'extra', 'told', 'stage', 'finish'))
      if finish == '' and waits(state) then extras[#extras + 1] = extra end
      if of.even and waits(told) or not of.even and finish == '' and waits(state) then
        stages[#stages + 1] = {key = key, stage = stage, state = state, told = told}
      end
    end
  end
  local extra = larger(extras, 'place') .. larger(extras, 'eta_s')
  if entries[3] == extra and not anew then return true end
  redis_call('HSET', battle_key(of.id), 'queue', extra)
  local logged = true
  for _, side in ipairs(stages) do
    -- One that was begun anew waits again, and is told so with this event.
    if side.told == 'waiting' then redis_call('HSET', side.key, 'told', 'queued') end
    if side.state == 'waiting' then redis_call('HSET', side.key, 'state', 'queued') end
    logged = log_event(of, 'status', status_data(side.stage, 'queued', extra)) and logged
  end
  return logged
end

-- Set the state of an answer that nobody writes yet, whose state is `old`.
local function set_state(of, key, stage, old, state, extra)
  if old ~= 'waiting' and old ~= 'queued' and old ~= 'loading' then return 'stale' end
  redis_call('HSET', key, 'state', state, 'extra', extra)
  if stage ~= '' and not tell_queue(of, old == 'waiting') then return 'gone' end
  return 'ok'
end

-- Show an answer whole from now on; it has to be on stage there.
local function set_whole(of, key, stage, asked)
  if stage ~= asked then return 'stale' end
  redis_call('HSET', key, 'whole', stage)
  of.moved = of.even
  return 'ok'
end

local now_ms

-- Milliseconds, read once per call.
local function now()
  if not now_ms then
    local time = redis_call('TIME')
    now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return now_ms
end

-- How many characters of each side may be shown: as many as both have, and no more than `rate` a second. A side that is
-- complete has no end for this. Nothing while one has not begun: the first words come together.
local function allowed(of, sides)
  local most
  for _, side in pairs(sides) do
    if side.finish == '' and (not most or side.chars < most) then most = side.chars end
  end
  local released, paced = unpack(redis_call('HMGET', battle_key(of.id), 'released', 'paced'))
  released, paced = tonumber(released or 0), tonumber(paced or 0)
  if not most or most == 0 then return released end
  local by_time = call.step
  if paced > 0 then by_time = released + math.floor(call.rate * (now() - paced) / 1000) end
  local goal = math.min(most, by_time)
  if paced > 0 and goal - released < call.step then return released end
  redis_call('HSET', battle_key(of.id), 'released', goal, 'paced', now())
  return goal
end

-- Show what may be shown now of a battle with an even pace. When both sides are complete, that is everything, and only
-- then viewers are told of an end; a side that failed is told of at once, since another takes its place.
local function release(of)
  local entries = redis_call('HMGET', battle_key(of.id), 'a', 'b')
  if not entries[1] or not entries[2] then return end
  local function log(event, data) return log_event(of, event, data) end
  local sides = {}
  for place = 1, 2 do sides[place] = shown_of(of.id, entries[place]) end
  local complete, failed = true, false
  for place, side in ipairs(sides) do
    if side.finish == '' then complete = false end
    if side.finish == 'error' or side.finish == 'cancelled' then
      failed = true
      tell_end(of.id, entries[place], log)
    end
  end
  if complete then
    for place, side in ipairs(sides) do if side.told ~= 'failed' then show_text(of.id, entries[place], side, nil, log) end end
    for place = 1, 2 do tell_end(of.id, entries[place], log) end
    return
  end
  for place, side in ipairs(sides) do
    if side.whole and side.finish ~= 'error' and side.finish ~= 'cancelled' then
      show_text(of.id, entries[place], side, nil, log)
      if side.finish ~= '' then tell_end(of.id, entries[place], log) end
    end
  end
  if failed then return end
  local upto = allowed(of, sides)
  for place, side in ipairs(sides) do
    if not side.whole and upto > side.shown_chars then show_text(of.id, entries[place], side, upto, log) end
  end
end

-- Append to the text; false when it was not all there (its key has gone).
local function append_text(key, text, length)
  if length == 0 and redis_call('EXISTS', key) == 0 then return false end
  if redis_call('APPEND', key, text) == length + #text then return true end
  redis_call('DEL', key)
  return false
end

-- Drop what was written: it turned out to be no part of the answer.
local function restart_text(of, answer, text_at, stage)
  redis_call('SET', text_at, '', 'PX', ttl_ms)
  forget_text(of.id, answer)
  return stage == '' or log_event(of, 'reset', place_of(stage) .. '}')
end

-- Keep how the answer ended.
local function finish_answer(of, key, stage, update)
  local finish, error = update.finish, update.error or ''
  local reached = (finish == 'stop' or finish == 'length') and 'done' or 'failed'
  redis_call('HSET', key, 'finish', finish, 'error', error, 'timing', update.timing or '', 'state', reached,
    'ending', update.ending or '')
  if update.story then add_to_story(key, update.story) end
  return stage == '' or of.even or log_event(of, 'answer', answer_data(stage, finish, error))
end

-- Write an update of an answer that is `length` long and in the state `old`.
local function store(of, key, stage, length, chars, old, update)
  local battle, answer, seq, text, state = update.battle, update.answer, update.seq, update.text or '', update.state or ''
  local text_at, logged = text_key(battle, answer), true
  if update.restart then
    logged = restart_text(of, answer, text_at, stage)
    length, old, chars = 0, 'waiting', 0
  end
  if #text > 0 and not append_text(text_at, text, length) then return 'gone' end
  if state ~= '' and old ~= state then
    redis_call('HSET', key, 'state', state, 'extra', '')
    if stage ~= '' and not of.even then logged = log_event(of, 'status', status_data(stage, state, '')) and logged end
  end
  if #text > 0 and stage ~= '' and not of.even then logged = log_event(of, 'delta', delta_data(stage, text)) and logged end
  if update.finish then logged = finish_answer(of, key, stage, update) and logged end
  -- That an answer names its model is kept for the end and never logged: viewers would learn the model.
  if update.leak then redis_call('HSET', key, 'leak', update.leak) end
  if of.even then
    redis_call('HSET', key, 'seq', seq, 'len', length + #text, 'chars', chars + count_characters(text))
    of.moved = of.moved or stage ~= ''
  else
    redis_call('HSET', key, 'seq', seq, 'len', length + #text)
  end
  -- All keys share one time to live. An answer writes some twenty times a second: every 64th renewal is enough.
  if seq % 64 == 1 then renew(battle, of.answers, ttl_ms) end
  return logged and 'ok' or 'gone'
end

local function write(update)
  local token, state, extra = update.token, update.state, update.extra or ''
  local of, key = battle_of(update.battle), answer_key(update.battle, update.answer)
  if not of.name or (update.name and of.name ~= update.name) then return 'gone' end
  local owner, seen, stage, finished, length, old, chars =
    unpack(redis_call('HMGET', key, 'token', 'seq', 'stage', 'finish', 'len', 'state', 'chars'))
  if not owner then return 'gone' end
  owner = tonumber(owner)
  if token > 0 and owner == token and update.seq <= tonumber(seen) then return 'ok' end
  if of.ended then return 'ended' end
  if token == 0 and state == 'whole' then return set_whole(of, key, stage, extra) end
  if token > 0 and owner ~= token then return 'stale' end
  if finished ~= '' then return token > 0 and 'finished' or 'stale' end
  if token == 0 then return set_state(of, key, stage, old, state, extra) end
  return store(of, key, stage, tonumber(length), tonumber(chars or 0), old, update)
end

for i, update in ipairs(updates) do replies[i] = write(update) end
for id, battle in pairs(battles) do
  if battle.moved then release(battle) end
  if battle.grown then redis_call('HSET', battle_key(id), 'n', battle.n) end
end
publish_news()
return replies
