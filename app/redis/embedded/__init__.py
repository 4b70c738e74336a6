"""An embedded Redis: a real ``redis-server`` in a folder of its own, as a child process."""
