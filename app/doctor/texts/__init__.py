"""What findings say: sentences and the commands that fix them."""
