-- Open an attempt at an answer. The token is the fence: lower than the stored one is refused.
-- ARGV: battle, answer, token, host, ttl ms, interrupted error, most attempts
-- Answers: {status, name, document, attempt}; status: started | finished | ended | stale | interrupted | gone.
local b, n, token, host = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local ttl_ms, interrupted, most = ARGV[5], ARGV[6], tonumber(ARGV[7])
local h = redis.call('HMGET', battle_key(b), 'name', 'ended', 'document', 'answers')
if not h[1] or not is_whole(b, tonumber(h[4])) then return {'gone'} end
if h[2] == '1' then return {'ended'} end
local key = answer_key(b, n)
local a = redis.call('HMGET', key, 'token', 'finish', 'attempts', 'stage')
if a[2] ~= '' then return {'finished'} end
local stored, attempts, stage = tonumber(a[1]), tonumber(a[3]), a[4]
if token < stored then return {'stale'} end
if token == stored then return {'started', h[1], h[3], attempts} end

renew(b, tonumber(h[4]), ttl_ms)
if attempts >= most then
  redis.call('HSET', key, 'token', token, 'finish', 'error', 'error', interrupted, 'state', 'failed')
  if stage ~= '' then append_event(b, h[1], 'answer', answer_data(stage, 'error', interrupted)) end
  publish_news()
  return {'interrupted'}
end
redis.call('HSET', key, 'token', token, 'seq', 0, 'attempts', attempts + 1, 'host', host)
if attempts > 0 then
  redis.call('SET', text_key(b, n), '', 'PX', ttl_ms)
  redis.call('HSET', key, 'len', 0, 'state', 'waiting', 'extra', '', 'leak', '')
  if stage ~= '' then append_event(b, h[1], 'reset', place_of(stage) .. '}') end
  publish_news()
end
return {'started', h[1], h[3], attempts + 1}
