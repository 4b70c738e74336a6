"""How each language speaks of itself: the sentences in which a text names the model that writes it, or its maker."""
