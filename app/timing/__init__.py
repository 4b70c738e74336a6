"""How long an answer took, and where the time went: ``stopwatch`` measures one answer."""
