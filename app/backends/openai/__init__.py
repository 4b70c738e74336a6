"""Servers that speak OpenAI's chat completions: vLLM, llama-server, llama-swap, SGLang, LM Studio and others."""
