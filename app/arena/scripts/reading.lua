-- A battle as it is now, with the last number of its log: nil, or {name, version, n, ended, answers, …} with the field
-- that is asked for in addition; an answer has the FIELDS of its hash and its text. texts: 'all' or 'stage'.
local FIELDS = {'token', 'state', 'attempts', 'finish', 'error', 'timing', 'host', 'stage', 'leak', 'told', 'shown',
  'story', 'ending'}
local function read_battle(b, texts, field)
  local battle = read_hash(battle_key(b), {'name', 'version', 'n', 'ended', 'answers', 'pace', field})
  local count = tonumber(battle.answers or '')
  if not battle.name or not is_whole(b, count) then return nil end
  battle.answers = {}
  for n = 0, count - 1 do
    local answer = read_hash(answer_key(b, n), FIELDS)
    answer.text = ''
    if texts == 'all' or answer.stage ~= '' then answer.text = redis_call('GET', text_key(b, n)) end
    -- At a live pace viewers have seen everything that there is.
    if battle.pace ~= 'even' then answer.told, answer.shown = answer.state, #answer.text end
    battle.answers[n + 1] = answer
  end
  return battle
end
