"""Durable execution: a workflow that goes on where its process was killed."""
