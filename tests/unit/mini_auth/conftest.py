import pytest

from tests.tokens import Desk, eddsa_key, es256_key, make_desk


@pytest.fixture(params=[es256_key, eddsa_key], ids=["ES256", "EdDSA"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """A verifier that knows one key, for each algorithm that we use."""
    return make_desk(request.param("key-1"))
