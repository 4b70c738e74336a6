"""Whether the stores answer and take writes."""
