"""Grading: a learner's answers in the course's own notebook, run apart, judged, and told."""
