"""Settings of the process mini_auth: those that every process has, and no more."""

from service_kit.settings import ProcessSettings


class MiniAuthSettings(ProcessSettings):
    """What mini_auth is told by its environment."""
