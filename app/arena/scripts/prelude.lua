-- Shared by every script: the keys of one battle, its log, and what is published of it.
-- `news` gathers {battle, log name, number, event, data} for one PUBLISH at the end of the call.
local news = {}
-- Looked up once: a script calls it hundreds of times.
local redis_call = redis.call

local function battle_key(b) return 'arena:{' .. b .. '}' end
local function answer_key(b, n) return 'arena:{' .. b .. '}:answer:' .. n end
local function text_key(b, n) return 'arena:{' .. b .. '}:text:' .. n end
local function log_key(b) return 'arena:{' .. b .. '}:log' end

-- The fields of a hash by their names; one that is missing is false.
local function read_hash(key, names)
  local values, hash = redis_call('HMGET', key, unpack(names)), {}
  for i, name in ipairs(names) do hash[name] = values[i] end
  return hash
end

-- Append one event under the next number; false when the log is missing (the battle is gone).
local function append_event(b, name, event, data, create)
  local n = redis_call('HINCRBY', battle_key(b), 'n', 1)
  local id = n .. '-0'
  local added
  if create then
    added = redis_call('XADD', log_key(b), id, 'e', event, 'd', data)
  else
    added = redis_call('XADD', log_key(b), 'NOMKSTREAM', id, 'e', event, 'd', data)
  end
  if not added then return false end
  news[#news + 1] = {b, name, n, event, data}
  return true
end

-- What was written of an answer is dropped; a battle's pace begins anew.
local function forget_text(b, n)
  redis_call('HSET', answer_key(b, n), 'len', 0, 'state', 'waiting', 'extra', '', 'leak', '', 'chars', 0, 'shown', 0,
    'shown_chars', 0, 'told', 'waiting')
  redis_call('HSET', battle_key(b), 'released', 0)
end

-- Append steps (JSON objects, a comma between them) to the story of an answer; it is bounded, its beginning is kept.
local function add_to_story(key, steps)
  local story = redis_call('HGET', key, 'story')
  if story and #story > 6000 then return end
  redis_call('HSET', key, 'story', story and story ~= '' and story .. ',' .. steps or steps)
end

-- A step of now, in Unix seconds: {"at":…,"event":…,"host":…,"attempt":…}.
local function step_now(event, host, attempt)
  local time = redis_call('TIME')
  return '{"at":' .. time[1] .. '.' .. string.format('%06d', tonumber(time[2])) .. ',"event":"' .. event .. '","host":' ..
    cjson.encode(host) .. ',"attempt":' .. attempt .. '}'
end

local function publish_news()
  if #news > 0 then redis_call('PUBLISH', 'arena:news', cmsgpack.pack(news)) end
end

local function all_keys(b, answers)
  local keys = {battle_key(b), log_key(b)}
  for n = 0, answers - 1 do
    keys[#keys + 1] = answer_key(b, n)
    keys[#keys + 1] = text_key(b, n)
  end
  return keys
end

local function renew(b, answers, ttl_ms)
  for _, key in ipairs(all_keys(b, answers)) do redis_call('PEXPIRE', key, ttl_ms) end
end

local function is_whole(b, answers)
  local keys = all_keys(b, answers)
  return redis_call('EXISTS', unpack(keys)) == #keys
end

-- The beginning of the data of an event about a side. A stage is '<round>:<side>'; the empty string means off stage.
local places = {}
local function place_of(stage)
  local place = places[stage]
  if not place then
    local round, side = string.match(stage, '^(%d+):([ab])$')
    place = '{"round":' .. round .. ',"side":"' .. side .. '"'
    places[stage] = place
  end
  return place
end

local function status_data(stage, state, extra)
  return place_of(stage) .. ',"state":"' .. state .. '"' .. extra .. '}'
end

local function delta_data(stage, text)
  return place_of(stage) .. ',"text":' .. cjson.encode(text) .. '}'
end

local function answer_data(stage, finish, err)
  local data = place_of(stage) .. ',"finish_reason":"' .. finish .. '"'
  if err ~= '' then data = data .. ',"error":' .. err end
  return data .. '}'
end

local function count_characters(text)
  local _, count = string.gsub(text, '[^\128-\191]', '')
  return count
end

local function first_characters(text, count)
  local at = 1
  for _ = 1, count do
    local byte = string.byte(text, at)
    if not byte then break end
    at = at + (byte < 128 and 1 or byte < 224 and 2 or byte < 240 and 3 or 4)
  end
  return string.sub(text, 1, at - 1)
end

-- Shows text of an answer on stage that viewers have not seen, up to so many characters of it (nil: all).
local function show_text(b, n, answer, upto, log)
  local piece, chars = '', upto or answer.chars
  if not upto or upto >= answer.chars then
    piece, chars = redis_call('GETRANGE', text_key(b, n), answer.shown, -1), answer.chars
  elseif upto > answer.shown_chars then
    local count = upto - answer.shown_chars
    piece = first_characters(redis_call('GETRANGE', text_key(b, n), answer.shown, answer.shown + 4 * count - 1), count)
  end
  if piece == '' then return true end
  local logged = answer.told == 'writing' or log('status', status_data(answer.stage, 'writing', ''))
  redis_call('HSET', answer_key(b, n), 'told', 'writing', 'shown', answer.shown + #piece, 'shown_chars', chars)
  return log('delta', delta_data(answer.stage, piece)) and logged
end

local SHOWN = {'stage', 'told', 'finish', 'error', 'chars', 'shown', 'shown_chars', 'whole'}

local function shown_of(b, n)
  local answer = read_hash(answer_key(b, n), SHOWN)
  answer.chars, answer.shown = tonumber(answer.chars), tonumber(answer.shown)
  answer.shown_chars = tonumber(answer.shown_chars)
  answer.whole = answer.whole == answer.stage
  return answer
end

local function show_rest(b, n, log) return show_text(b, n, shown_of(b, n), nil, log) end

-- Tells viewers, once, how an answer on stage ended.
local function tell_end(b, n, log)
  local answer = shown_of(b, n)
  if answer.told == 'done' or answer.told == 'failed' then return true end
  local reached = (answer.finish == 'stop' or answer.finish == 'length') and 'done' or 'failed'
  redis_call('HSET', answer_key(b, n), 'told', reached)
  return log('answer', answer_data(answer.stage, answer.finish, answer.error))
end
