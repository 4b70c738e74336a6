"""The models and cards that are simulated, and the text that they write."""
