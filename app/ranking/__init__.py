"""Ranking: from votes to a board that says how sure it is. Values in, values out; nothing here reads or writes.

This room is the only one that computes with numpy, and it does so beside token streams: one thread is enough for its
small systems. (Left to itself numpy's OpenBLAS takes every core and spins: on a busy machine of two cores a board took
8.6 s instead of 2.1.) An ``OPENBLAS_NUM_THREADS`` that is set stays as it is.
"""

from __future__ import annotations

import os

# It has to be there before numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
