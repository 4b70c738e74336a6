"""The leaderboard as it is served: votes of ended battles, ranked off the request path, one snapshot for all workers.

    SQL ─gather─► Votes ─fitting (in a thread)─► bodies ─snapshots─► Redis ─service─► every worker, the same bytes

``selection`` is what a board may be asked for, ``terminal`` the board without a server.
"""
