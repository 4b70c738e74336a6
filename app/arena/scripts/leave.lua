-- An attempt ended without an end of its answer, and its worker lives: nothing is held against the answer.
-- ARGV: {battle, answer, token} (msgpack). Sent twice, it changes nothing more. Answers ok | gone.
local call = cmsgpack.unpack(ARGV[1])
local key = answer_key(call.battle, call.answer)
local answer = read_hash(key, {'token', 'silent'})
if not answer.token then return 'gone' end
if tonumber(answer.token) == call.token then
  redis_call('HSET', key, 'left', call.token)
elseif answer.silent then
  redis_call('HSET', key, 'silent', (string.gsub(answer.silent, ',' .. call.token .. ',', ',')))
end
return 'ok'
