"""Ollama's calls as the simulator answers them: bodies in, bytes out."""
