-- Append to the story of an answer what its driver knows of it.
-- ARGV: {battle, answer, steps} (msgpack); steps: JSON objects, a comma between them. An answer that is gone stays gone.
local call = cmsgpack.unpack(ARGV[1])
local key = answer_key(call.battle, call.answer)
if redis_call('HEXISTS', key, 'token') == 1 then add_to_story(key, call.steps) end
