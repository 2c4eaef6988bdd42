"""What makes a run teach: bets before it, and what they answer after it."""
