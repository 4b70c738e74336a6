-- Everything that a worker's answers have gathered since the last tick, in one call.
-- ARGV: items (msgpack), ttl running ms. An item: {battle, name, answer, token, seq, text, state, extra, finish, error, timing}
-- Token 0 tells only a state (queued, loading) of an answer that is not being written yet.
-- Answers one status per item: ok | stale | ended | finished | gone. A seq that was seen is ok and changes nothing.
local items, ttl_ms = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2])
local replies = {}

local function tell_state(b, name, n, a, state, extra)
  local idle = a[6] == 'waiting' or a[6] == 'queued' or a[6] == 'loading'
  if not idle or a[4] ~= '' then return 'stale' end
  redis.call('HSET', answer_key(b, n), 'state', state, 'extra', extra)
  if a[3] ~= '' then append_event(b, name, 'status', status_data(a[3], state, extra)) end
  return 'ok'
end

local function store(b, name, n, a, item)
  local key, stage = answer_key(b, n), a[3]
  local seq, text, state, finish, err, timing = item[5], item[6], item[7], item[9], item[10], item[11]
  local length = tonumber(a[5])
  local changes = {'seq', seq}
  local function set(field, value)
    changes[#changes + 1] = field
    changes[#changes + 1] = value
  end
  if #text > 0 then
    local grown = redis.call('APPEND', text_key(b, n), text)
    if grown ~= length + #text then
      redis.call('DEL', text_key(b, n))
      return 'gone'
    end
    set('len', grown)
  end
  if state ~= '' and a[6] ~= state then
    set('state', state)
    set('extra', '')
    if stage ~= '' then append_event(b, name, 'status', status_data(stage, state, '')) end
  end
  if #text > 0 and stage ~= '' then append_event(b, name, 'delta', delta_data(stage, text)) end
  if finish ~= '' then
    set('finish', finish)
    set('error', err)
    set('timing', timing)
    set('state', (finish == 'stop' or finish == 'length') and 'done' or 'failed')
    if stage ~= '' then append_event(b, name, 'answer', answer_data(stage, finish, err)) end
  end
  redis.call('HSET', key, unpack(changes))
  return 'ok'
end

local function write(item)
  local b, name, n, token, seq = item[1], item[2], item[3], item[4], item[5]
  local h = redis.call('HMGET', battle_key(b), 'name', 'ended', 'answers')
  local a = redis.call('HMGET', answer_key(b, n), 'token', 'seq', 'stage', 'finish', 'len', 'state')
  if not h[1] or (name ~= '' and h[1] ~= name) or not a[1] or redis.call('EXISTS', log_key(b), text_key(b, n)) < 2 then
    return 'gone'
  end
  if token > 0 and tonumber(a[1]) == token and seq <= tonumber(a[2]) then return 'ok' end
  if h[2] == '1' then return 'ended' end
  if token == 0 then return tell_state(b, h[1], n, a, item[7], item[8]) end
  if tonumber(a[1]) ~= token then return 'stale' end
  if a[4] ~= '' then return 'finished' end
  -- All keys share one time to live; renewing them a minute late at most saves a call per key and tick.
  if redis.call('PTTL', battle_key(b)) < ttl_ms - 60000 then renew(b, tonumber(h[3]), ttl_ms) end
  return store(b, h[1], n, a, item)
end

for i, item in ipairs(items) do replies[i] = write(item) end
publish_news()
return replies
