"""What is simulated: scheduler, memory, loads, rates and writing."""
