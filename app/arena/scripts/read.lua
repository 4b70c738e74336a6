-- Read-only: a battle as it is now, with the last number of its log, in one piece.
-- ARGV: {battle, texts} (msgpack); texts: 'all' or 'stage', whose texts to read.
-- Answers nil, or {name, version, n, ended, document, answers} (msgpack); an answer has the FIELDS of its hash and
-- its text.
local FIELDS = {'token', 'state', 'attempts', 'finish', 'error', 'timing', 'host', 'stage', 'leak', 'told', 'shown',
  'story', 'ending'}
local call = cmsgpack.unpack(ARGV[1])
local b = call.battle
local battle = read_hash(battle_key(b), {'name', 'version', 'n', 'ended', 'document', 'answers', 'pace'})
local count = tonumber(battle.answers or '')
if not battle.name or not is_whole(b, count) then return nil end
battle.answers = {}
for n = 0, count - 1 do
  local answer = read_hash(answer_key(b, n), FIELDS)
  answer.text = ''
  if call.texts == 'all' or answer.stage ~= '' then answer.text = redis_call('GET', text_key(b, n)) end
  -- At a live pace viewers have seen everything that there is.
  if battle.pace ~= 'even' then answer.told, answer.shown = answer.state, #answer.text end
  battle.answers[n + 1] = answer
end
return cmsgpack.pack(battle)
