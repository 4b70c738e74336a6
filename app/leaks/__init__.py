"""The leak guard's pure part: whether an answer names the model that writes it, or that model's maker."""
