"""Ranking: from votes to a board that says how sure it is. Values in, values out; nothing here reads or writes."""
