"""Statements at the door: validation, identities, what is kept of each."""
