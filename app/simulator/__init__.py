"""An Ollama server that behaves: protocol, scheduler, memory, timing and faults, without a GPU.

The core (``clock`` to ``engine``) knows no sockets; ``backend`` puts it behind ``app.backends.base.Backend`` for
virtual time, ``server`` behind a TCP port. Tests, the demo and planning use it; the arena itself never does.
"""
