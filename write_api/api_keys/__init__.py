"""API keys: made, listed and revoked by the person for whom they act."""
