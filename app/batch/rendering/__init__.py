"""Templates, rendered in a child process with limits: one line of a template can build hundreds of megabytes."""
