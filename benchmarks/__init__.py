"""Speed and memory goals, one command each; every one prints a ratio against a baseline of the same run."""
