"""Sound and score: what one hears and reads is computed from the trace alone."""
