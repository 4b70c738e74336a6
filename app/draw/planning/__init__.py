"""The pure core: what a vote would teach, which models are drawn from and until when, and who is drawn."""
