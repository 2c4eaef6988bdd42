"""The festival of the capstone: its days, the rules of each style, and a solution in each."""
