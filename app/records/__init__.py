"""What lasts: battles, answers and votes in SQL, the judge of every dispute."""
