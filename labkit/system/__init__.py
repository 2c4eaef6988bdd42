"""Services and what carries their messages; knows nothing of traces, pictures or lessons."""
