"""The rules of a battle: frozen values and pure functions. No I/O, no clock, no asyncio."""
