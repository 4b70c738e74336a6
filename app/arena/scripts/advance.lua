-- Compare-and-set of the battle document, with the events that tell of it.
-- ARGV: battle, name, version, change, document, steps (msgpack), ttl running ms, ttl ended ms, answers, cancelled error
-- Steps, in order: {'restore', answer, text, finish, error, timing, host, leak} | {'event', name, data} |
-- {'show', answer, round, side} | {'end', data}.
-- Version 0 creates the battle, also in the place of one of which a key is missing. Answers: applied | conflict | ended | gone | exists.
local b, name, version, change, document = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local steps, run_ms, end_ms = cmsgpack.unpack(ARGV[6]), ARGV[7], ARGV[8]
local answers, cancelled = tonumber(ARGV[9]), ARGV[10]
local key = battle_key(b)
local now = redis.call('HMGET', key, 'name', 'version', 'change', 'ended')

if now[1] == name and now[3] == change then return 'applied' end
if version == 0 then
  if now[1] and is_whole(b, answers) then return 'exists' end
  redis.call('DEL', unpack(all_keys(b, answers)))
  redis.call('HSET', key, 'name', name, 'n', 0, 'ended', '0', 'answers', answers)
  for n = 0, answers - 1 do
    redis.call('HSET', answer_key(b, n), 'token', 0, 'seq', 0, 'state', 'waiting', 'attempts', 0, 'len', 0,
      'stage', '', 'extra', '', 'finish', '', 'error', '', 'timing', '', 'host', '', 'leak', '')
    redis.call('SET', text_key(b, n), '')
  end
else
  if now[1] ~= name or not is_whole(b, answers) then return 'gone' end
  if now[4] == '1' then return 'ended' end
  if tonumber(now[2]) ~= version then return 'conflict' end
end

redis.call('HSET', key, 'version', version + 1, 'change', change, 'document', document)

local function leave_stage()
  for n = 0, answers - 1 do redis.call('HSET', answer_key(b, n), 'stage', '') end
end

local function show(n, round, side)
  local stage = round .. ':' .. side
  local a = redis.call('HMGET', answer_key(b, n), 'state', 'extra', 'finish', 'error')
  local state, extra, finish, err = a[1], a[2], a[3], a[4]
  if state == 'waiting' then state = 'queued' end
  redis.call('HSET', answer_key(b, n), 'stage', stage, 'state', state)
  if finish == '' then append_event(b, name, 'status', status_data(stage, state, extra)) end
  local text = redis.call('GET', text_key(b, n))
  if #text > 0 then append_event(b, name, 'delta', delta_data(stage, text)) end
  if finish ~= '' then append_event(b, name, 'answer', answer_data(stage, finish, err)) end
end

-- Put back an answer that had ended, as SQL has it.
local function restore(n, text, finish, err, timing, host, leak)
  local reached = (finish == 'stop' or finish == 'length') and 'done' or 'failed'
  redis.call('SET', text_key(b, n), text)
  redis.call('HSET', answer_key(b, n), 'state', reached, 'finish', finish, 'error', err, 'timing', timing,
    'host', host, 'leak', leak or '', 'len', #text)
end

local function finish_all()
  for n = 0, answers - 1 do
    local a = redis.call('HMGET', answer_key(b, n), 'finish', 'stage')
    if a[1] == '' then
      redis.call('HSET', answer_key(b, n), 'finish', 'cancelled', 'error', cancelled, 'state', 'failed')
      if a[2] ~= '' then append_event(b, name, 'answer', answer_data(a[2], 'cancelled', cancelled)) end
    end
  end
end

local ttl = run_ms
for _, step in ipairs(steps) do
  if step[1] == 'event' then
    if step[2] == 'round' then leave_stage() end
    append_event(b, name, step[2], step[3], true)
  elseif step[1] == 'restore' then
    restore(step[2], step[3], step[4], step[5], step[6], step[7], step[8])
  elseif step[1] == 'show' then
    show(step[2], step[3], step[4])
  else
    finish_all()
    redis.call('HSET', key, 'ended', '1')
    append_event(b, name, 'end', step[2])
    ttl = end_ms
  end
end
renew(b, answers, ttl)
publish_news()
return 'applied'
