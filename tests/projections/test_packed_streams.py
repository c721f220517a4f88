from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from projections.packed_streams import PackedStreams

STREAMS = [UUID(int=number) for number in (0, 1, 2, 3, 2**74, 2**128 - 1)]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("put", "put", "take", "sweep", "drop")),
        st.sampled_from(STREAMS),
        st.integers(0, 2**40),
        st.binary(max_size=40) | st.sampled_from([each.bytes for each in STREAMS]),
    ),
    max_size=60,
)


@given(_STEPS, st.sampled_from((0, 16, 100)))
def test_it_gives_what_was_put_and_nothing_else(steps: list[tuple[str, UUID, int, bytes]], about: int) -> None:
    """Each stream has its own bytes, whatever lies beside them, until it is taken, swept or dropped."""
    packed, kept = PackedStreams(about), dict[UUID, tuple[int, bytes]]()
    for step, stream, moment, data in steps:
        if step == "put" and stream not in kept:
            packed.put(stream, moment, data)
            kept[stream] = (min(moment, 2**32 - 1), data)
        elif step == "take":
            expected = kept.pop(stream, None)
            assert packed.take(stream) == (None if expected is None else expected[1])
        elif step == "sweep":
            packed.sweep(moment)
            kept = _still_there(packed, kept, over=[each for each, (until, _) in kept.items() if until <= moment])
        elif step == "drop" and kept:
            packed.drop_one()
            left = _still_there(packed, kept, over=list(kept))
            assert len(left) == len(kept) - 1
            kept = left
        assert len(packed) == len(kept)


def test_a_sweep_comes_round_to_every_bucket() -> None:
    """What is of no use any more is gone after as many sweeps as there are buckets, and the rest is there."""
    packed, streams = PackedStreams(320), [UUID(int=number) for number in range(200)]
    for number, stream in enumerate(streams):
        packed.put(stream, number, b"x")
    for _ in range(21):
        packed.sweep(99)
    assert [packed.take(stream) for stream in streams] == [None] * 100 + [b"x"] * 100


def _still_there(
    packed: PackedStreams, kept: dict[UUID, tuple[int, bytes]], over: list[UUID]
) -> dict[UUID, tuple[int, bytes]]:
    """Those that are there, which all must be but those that may be `over`."""
    left = dict[UUID, tuple[int, bytes]]()
    for stream, (until, data) in kept.items():
        found = packed.take(stream)
        if found is None:
            assert stream in over
        else:
            assert found == data
            left[stream] = (until, data)
            packed.put(stream, until, data)
    return left
