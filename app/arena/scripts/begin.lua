-- Open an attempt at an answer. The token is the fence: lower than the stored one is refused.
-- ARGV: {battle, answer, token, host, ttl_ms, interrupted, most_silent} (msgpack); interrupted: that error as JSON.
-- An attempt before that was not left (leave.lua) has fallen silent: its worker has died, as far as anybody knows. Its
-- token is kept in `silent`, which is like ',3,7,'; with `most_silent` of them the answer ends as interrupted.
-- Answers {status, name, document, attempt} (msgpack); the last three only when the attempt is started.
-- status: started | finished | ended | stale | interrupted | gone.
local call = cmsgpack.unpack(ARGV[1])
local b = call.battle
local battle = read_hash(battle_key(b), {'name', 'ended', 'document', 'answers'})

local function reply(status, attempt)
  if not attempt then return cmsgpack.pack({status = status}) end
  return cmsgpack.pack({status = status, name = battle.name, document = battle.document, attempt = attempt})
end

local count = tonumber(battle.answers or '')
if not battle.name or not is_whole(b, count) then return reply('gone') end
if battle.ended == '1' then return reply('ended') end
local key = answer_key(b, call.answer)
local answer = read_hash(key, {'token', 'finish', 'attempts', 'stage', 'left', 'silent'})
if answer.finish ~= '' then return reply('finished') end
local stored, attempts = tonumber(answer.token), tonumber(answer.attempts)
if call.token < stored then return reply('stale') end
if call.token == stored then return reply('started', attempts) end

renew(b, count, call.ttl_ms)
local silent = answer.silent or ','
if attempts > 0 and tonumber(answer.left or '') ~= stored then silent = silent .. stored .. ',' end
local _, ends = string.gsub(silent, ',', '')
if ends > call.most_silent then
  redis_call('HSET', key, 'token', call.token, 'silent', silent, 'finish', 'error', 'error', call.interrupted, 'state', 'failed',
    'told', 'failed')
  add_to_story(key, step_now('interrupted', call.host, attempts))
  if answer.stage ~= '' then
    append_event(b, battle.name, 'answer', answer_data(answer.stage, 'error', call.interrupted))
  end
  publish_news()
  return reply('interrupted')
end
redis_call('HSET', key, 'token', call.token, 'seq', 0, 'attempts', attempts + 1, 'host', call.host,
  'silent', silent)
add_to_story(key, step_now('begun', call.host, attempts + 1))
if attempts > 0 then
  redis_call('SET', text_key(b, call.answer), '', 'PX', call.ttl_ms)
  forget_text(b, call.answer)
  if answer.stage ~= '' then append_event(b, battle.name, 'reset', place_of(answer.stage) .. '}') end
  publish_news()
end
return reply('started', attempts + 1)
