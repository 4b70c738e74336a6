"""The door for OpenAI's clients: models by their names, and the arena as models (docs/openai.md)."""
