-- Read-only: a battle as it is now, with the last number of its log, in one piece.
-- ARGV: battle, 'all' or 'stage': whose texts to read.
-- Answers nil, or {name, version, n, ended, document, {{token, state, attempts, finish, error, timing, host, stage, text, leak}, …}}.
local b, whose = ARGV[1], ARGV[2]
local h = redis.call('HMGET', battle_key(b), 'name', 'version', 'n', 'ended', 'document', 'answers')
if not h[1] or not is_whole(b, tonumber(h[6])) then return nil end
local answers = {}
for n = 0, tonumber(h[6]) - 1 do
  local a = redis.call('HMGET', answer_key(b, n),
    'token', 'state', 'attempts', 'finish', 'error', 'timing', 'host', 'stage', 'leak')
  a[10], a[9] = a[9], ''
  if whose == 'all' or a[8] ~= '' then a[9] = redis.call('GET', text_key(b, n)) end
  answers[n + 1] = a
end
return {h[1], h[2], h[3], h[4], h[5], answers}
