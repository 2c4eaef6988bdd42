"""The exercises: one file each, with its tasks, what must be true of them, hints and mistakes."""
