"""Views: pictures and numbers made from a trace; none keeps a state of its own."""
