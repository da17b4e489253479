"""Organisations: who runs events together, and what each of them may do."""
