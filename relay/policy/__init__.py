"""Decisions, pure: facts in, a decision out."""
