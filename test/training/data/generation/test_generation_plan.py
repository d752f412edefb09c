"""How many rooms each split gets, and how they fall into shards."""

from __future__ import annotations

import pytest

from distill3d_ros.training.data.generation.generation_plan import BUILD_ORDER, planned_rooms, shard_jobs, split_rooms


def test_rooms_are_divided_among_the_splits():
    assert split_rooms(1952) == {"test_known": 96, "test_unseen": 96, "val": 32, "train": 1728}
    assert split_rooms(4) == {"test_known": 1, "test_unseen": 1, "val": 1, "train": 1}
    for rooms in range(4, 3000, 7):
        planned = split_rooms(rooms)
        assert sum(planned.values()) == rooms
        assert planned["train"] >= planned["test_known"] == planned["test_unseen"] >= planned["val"] >= 1
    with pytest.raises(ValueError, match=r"at least 4, one for each of train, .* Got 3"):
        split_rooms(3)


def test_rooms_of_each_split_can_be_given():
    assert planned_rooms({"val": 5}) == {"test_known": 0, "test_unseen": 0, "val": 5, "train": 0}
    with pytest.raises(ValueError, match="Got training"):
        planned_rooms({"training": 5})
    with pytest.raises(ValueError, match="not 0 in all"):
        planned_rooms({"val": 0})


def test_shards_take_every_room_once():
    jobs = shard_jobs({"train": 70, "val": 5, "test_known": 0}, 32)
    assert [(j.file, j.first_room, j.rooms) for j in jobs] == [
        ("val-000000.tar", 0, 5),
        ("train-000000.tar", 0, 32),
        ("train-000001.tar", 32, 32),
        ("train-000002.tar", 64, 6),
    ]
    assert BUILD_ORDER[-1] == "train", "the tests come first, so that a training can be measured early"
