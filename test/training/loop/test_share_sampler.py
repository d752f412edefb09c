"""Batches keep the share of real pictures that a stage states, and go on where they stopped."""

from __future__ import annotations

from collections import Counter

import pytest
from support.training.tiny_trainer import GrowingKeys

from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.share_sampler import ShareSampler, spread


class TwoFolders(GrowingKeys):
    """So many samples in each of two folders, the second of real pictures."""

    def __init__(self, rendered: int, real: int) -> None:
        super().__init__(0)
        self.keys = [f"0/s{i:03d}" for i in range(rendered)] + [f"1/s{i:03d}" for i in range(real)]


def is_real(key: str) -> bool:
    return key.startswith("1/")


def sampler_of(source: GrowingKeys, share: float, batch_size: int = 8, epoch_samples: int = 0) -> ShareSampler:
    return ShareSampler(source, batch_size, 3, real_share=share, is_real=is_real, epoch_samples=epoch_samples)


def test_each_batch_has_its_share_and_both_kinds_have_epochs_of_their_own() -> None:
    sampler = sampler_of(TwoFolders(rendered=100, real=10), 0.6)
    batches = [sampler.next() for _ in range(25)]
    counts = [sum(map(is_real, batch)) for batch in batches]
    assert set(counts) == {4, 5}, "4.8 a batch"
    assert sum(counts) == 120
    seen = Counter(key for batch in batches for key in batch)
    assert {n for key, n in seen.items() if is_real(key)} == {12}, "120 turns of 10 real samples"
    assert {n for key, n in seen.items() if not is_real(key)} == {1}, "80 turns of 100 rendered samples"
    assert sampler.describe() == "epoch 0 (real 11)"


def test_a_run_that_is_stopped_goes_on_with_the_same_samples() -> None:
    source = TwoFolders(rendered=23, real=5)
    sampler = sampler_of(source, 0.3)
    for _ in range(7):
        sampler.next()
    state = sampler.state()
    expected = [sampler.next() for _ in range(9)]
    other = sampler_of(source, 0.3)
    other.restore(state)
    assert [other.next() for _ in range(9)] == expected


@pytest.mark.parametrize(("share", "kinds"), [(0.0, {False}), (1.0, {True})])
def test_a_share_of_all_or_nothing_needs_one_kind_of_folder(share: float, kinds: set[bool]) -> None:
    source = TwoFolders(rendered=12 * (share < 1), real=12 * (share > 0))
    sampler = sampler_of(source, share)
    assert {is_real(key) for _ in range(4) for key in sampler.next()} == kinds


@pytest.mark.parametrize(("rendered", "real", "missing"), [(20, 0, "real"), (0, 20, "rendered")])
def test_a_missing_kind_is_named(rendered: int, real: int, missing: str) -> None:
    with pytest.raises(ValueError, match=rf"real_share .* 0.5 asks for {missing} pictures, .* has none; name such"):
        sampler_of(TwoFolders(rendered, real), 0.5).next()


def test_a_folder_that_grows_is_taken_in_at_the_next_epoch_of_its_kind() -> None:
    source = TwoFolders(rendered=4, real=4)
    sampler = sampler_of(source, 0.5)
    sampler.next()
    source.arrivals = ["1/s900", "0/s900"]
    assert {"1/s900", "0/s900"} <= {key for _ in range(2) for key in sampler.next()}


def test_an_epoch_of_each_kind_may_be_a_part_of_it() -> None:
    sampler = sampler_of(TwoFolders(rendered=50, real=50), 0.5, epoch_samples=4)
    for _ in range(3):
        keys = sampler.next()
        assert sum(map(is_real, keys)) == len(set(keys)) / 2 == 4


@pytest.mark.parametrize("share", [0.25, 0.5, 0.6])
def test_processes_and_parts_of_a_batch_get_about_the_same_share(share: float) -> None:
    """Processes take every n-th sample, accumulated steps take runs of consecutive ones."""
    size = 32
    real = [n in spread(round(share * size), size) for n in range(size)]
    assert sum(real) == round(share * size)
    for count in (2, 4):
        parts = [real[rank::count] for rank in range(count)]
        parts += [real[n * size // count : (n + 1) * size // count] for n in range(count)]
        assert max(abs(sum(part) - share * size / count) for part in parts) <= 2


def test_a_checkpoint_of_a_run_with_another_order_is_refused() -> None:
    sampler = sampler_of(TwoFolders(10, 10), 0.5)
    with pytest.raises(ValueError, match="real_share must be left out"):
        sampler.restore({"epoch": 0, "remaining": ""})


def test_a_share_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"real_share must lie in 0..1. Got 1.5"):
        StageConfig(name="p", kind="perception", real_share=1.5)
