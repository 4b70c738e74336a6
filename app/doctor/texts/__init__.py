"""The catalogue of findings: a constructor for each code, with its sentences and the command that fixes it."""
