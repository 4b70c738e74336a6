"""The only room that knows FastAPI: it translates HTTP to the arena's verbs and back."""
