"""What the draw of contestants brings: loads, waiting times, votes until the best is known, and coverage."""
