from service.endpoints.core import Core


async def test_worker_starts(core: Core) -> None:
    """A worker on a fresh database has folded its first key."""
    assert core.state.keys.current is not None
    assert 2 == core.state.position
