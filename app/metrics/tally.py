"""What this process counted, on its way to the sums of all workers."""
