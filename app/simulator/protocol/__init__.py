"""What Ollama's protocol is made of: HTTP and JSON as Go writes them, names, durations, errors."""
