-- Read-only: a battle as it is now, with the last number of its log, in one piece.
-- ARGV: {battle, texts} (msgpack); texts: 'all' or 'stage', whose texts to read.
-- Answers nil, or {name, version, n, ended, document, answers} (msgpack): see `reading`.
local call = cmsgpack.unpack(ARGV[1])
local battle = read_battle(call.battle, call.texts, 'document')
return battle and cmsgpack.pack(battle)
