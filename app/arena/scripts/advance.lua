-- Compare-and-set of the battle document, with the steps that log the change.
-- ARGV: {battle, name, version, change, document, steps, running_ms, ended_ms, answers, cancelled, pace, read} (msgpack).
-- answers: how many there are; cancelled: that error as JSON; read: whether to read the battle afterwards.
-- Steps, in order, each with its name in `step`:
-- {restore, answer, text, finish, error, timing, host, leak} | {log, event, data} | {show, answer, round, side} |
-- {end, data}.
-- Version 0 creates the battle, also in the place of one of which a key is missing.
-- Answers: applied | conflict | ended | gone | exists; with read, {applied, the battle as `reading` has it (msgpack)}.
local call = cmsgpack.unpack(ARGV[1])
local b, name, answers = call.battle, call.name, call.answers
local key = battle_key(b)
local now = read_hash(key, {'name', 'version', 'change', 'ended', 'pace'})

local function applied()
  if not call.read then return 'applied' end
  return {'applied', cmsgpack.pack(read_battle(b, 'all'))}
end

if now.name == name and now.change == call.change then return applied() end
if call.version == 0 then
  if now.name and is_whole(b, answers) then return 'exists' end
  redis_call('DEL', unpack(all_keys(b, answers)))
  redis_call('HSET', key, 'name', name, 'n', 0, 'ended', '0', 'answers', answers, 'pace', call.pace)
  now.pace = call.pace
  for n = 0, answers - 1 do
    redis_call('HSET', answer_key(b, n), 'token', 0, 'seq', 0, 'state', 'waiting', 'attempts', 0, 'len', 0,
      'stage', '', 'extra', '', 'finish', '', 'error', '', 'timing', '', 'host', '', 'leak', '',
      'chars', 0, 'shown', 0, 'shown_chars', 0, 'told', '', 'whole', '')
    redis_call('SET', text_key(b, n), '')
  end
else
  if now.name ~= name or not is_whole(b, answers) then return 'gone' end
  if now.ended == '1' then return 'ended' end
  if tonumber(now.version) ~= call.version then return 'conflict' end
end

redis_call('HSET', key, 'version', call.version + 1, 'change', call.change, 'document', call.document)

local even = now.pace == 'even'
local stage_before = {}
local function log_event(event, data) return append_event(b, name, event, data) end

local function leave_stage()
  for n = 0, answers - 1 do
    stage_before[n] = redis_call('HGET', answer_key(b, n), 'stage')
    redis_call('HSET', answer_key(b, n), 'stage', '')
  end
  redis_call('HDEL', key, 'a', 'b', 'queue')
  redis_call('HSET', key, 'released', 0, 'paced', 0)
end

-- What viewers have not seen yet of an answer on stage is shown before it is cut off.
local function finish_all()
  for n = 0, answers - 1 do
    local answer = read_hash(answer_key(b, n), {'finish', 'stage'})
    local unfinished, on_stage = answer.finish == '', answer.stage ~= ''
    if on_stage and even then show_rest(b, n, log_event) end
    if unfinished then
      redis_call('HSET', answer_key(b, n), 'finish', 'cancelled', 'error', call.cancelled, 'state', 'failed')
    end
    if on_stage and even then
      tell_end(b, n, log_event)
    elseif on_stage and unfinished then
      log_event('answer', answer_data(answer.stage, 'cancelled', call.cancelled))
    end
  end
end

local ttl_ms = call.running_ms
local perform = {}

-- Log an event as it is; the log itself is created by the first one.
function perform.log(step)
  if step.event == 'round' then leave_stage() end
  append_event(b, name, step.event, step.data, true)
end

-- Put an answer that is being written on stage, at an even pace: what viewers saw of it before is shown at once.
local function show_evenly(n, stage)
  local answer = read_hash(answer_key(b, n), {'shown', 'extra'})
  local shown = 0
  if stage_before[n] == stage then shown = tonumber(answer.shown) end
  local told = shown > 0 and 'writing' or 'queued'
  redis_call('HSET', answer_key(b, n), 'stage', stage, 'told', told)
  append_event(b, name, 'status', status_data(stage, told, told == 'queued' and answer.extra or ''))
  if shown == 0 then
    redis_call('HSET', answer_key(b, n), 'shown', 0, 'shown_chars', 0)
  else
    append_event(b, name, 'delta', delta_data(stage, redis_call('GETRANGE', text_key(b, n), 0, shown - 1)))
  end
end

-- Put an answer on stage and log what it already has.
function perform.show(step)
  local n, stage = step.answer, step.round .. ':' .. step.side
  redis_call('HSET', key, step.side, n)
  local answer = read_hash(answer_key(b, n), {'state', 'extra', 'finish', 'error', 'len', 'chars'})
  local state, finish = answer.state, answer.finish
  if state == 'waiting' then state = 'queued' end
  if even and finish == '' then
    redis_call('HSET', answer_key(b, n), 'state', state)
    return show_evenly(n, stage)
  end
  redis_call('HSET', answer_key(b, n), 'stage', stage, 'state', state, 'told', state, 'shown', answer.len,
    'shown_chars', answer.chars or 0)
  if finish == '' then append_event(b, name, 'status', status_data(stage, state, answer.extra)) end
  local text = redis_call('GET', text_key(b, n))
  if #text > 0 then append_event(b, name, 'delta', delta_data(stage, text)) end
  if finish ~= '' then append_event(b, name, 'answer', answer_data(stage, finish, answer.error)) end
end

-- Put back an answer that had ended, as SQL has it.
function perform.restore(step)
  local reached = (step.finish == 'stop' or step.finish == 'length') and 'done' or 'failed'
  redis_call('SET', text_key(b, step.answer), step.text)
  redis_call('HSET', answer_key(b, step.answer), 'state', reached, 'finish', step.finish, 'error', step.error,
    'timing', step.timing, 'host', step.host, 'leak', step.leak, 'len', #step.text)
end

-- Cancel what is unfinished and log the end.
perform['end'] = function(step)
  finish_all()
  redis_call('HSET', key, 'ended', '1')
  append_event(b, name, 'end', step.data)
  ttl_ms = call.ended_ms
end

for _, step in ipairs(call.steps) do perform[step.step](step) end
renew(b, answers, ttl_ms)
publish_news()
return applied()
