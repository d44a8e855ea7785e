import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.datasets.sharding import Shard, from_environment, select_share
from tracking_env.errors import InputError


def sequence(name, length):
    return Sequence(name, ArrayFrames(np.zeros((length, 1, 1, 3), np.uint8)), np.ones((length, 4)))


def shares(lengths, processes):
    """The sequences of every process, each named by a number."""
    sequences = [sequence(str(i), length) for i, length in enumerate(lengths)]
    return [[int(own.name) for own in select_share(sequences, Shard(rank, processes))] for rank in range(processes)]


def test_without_variables_there_is_one_process():
    assert from_environment({"HOME": "/"}) == Shard(0, 1)


def test_the_variables_of_torchrun_give_rank_and_world_size():
    assert from_environment({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}) == Shard(3, 4)


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "0"},
        {"WORLD_SIZE": "2"},
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "-1", "WORLD_SIZE": "2"},
        {"RANK": "0", "WORLD_SIZE": "0"},
        {"RANK": "one", "WORLD_SIZE": "2"},
        {"RANK": "", "WORLD_SIZE": "2"},
    ],
)
def test_invalid_variables_are_refused_in_one_line(environment):
    with pytest.raises(InputError, match=r"the environment has .*; set both with 0 <= RANK < WORLD_SIZE") as caught:
        from_environment(environment)
    assert all(f"{name}={value}" in str(caught.value) for name, value in environment.items())
    assert "\n" not in str(caught.value)


def test_a_single_process_has_every_sequence_in_order():
    assert shares([3, 9, 5], 1) == [[0, 1, 2]]


def test_the_longest_sequences_go_first_to_the_least_loaded_process():
    # 90 -> process 0; 60 -> 1; 50 -> 1 (60 < 90); 40 -> 0 (90 < 110); 10 -> 1 (110 < 130)
    assert shares([10, 40, 60, 90, 50], 2) == [[1, 3], [0, 2, 4]]


def test_surplus_processes_have_no_sequences():
    assert shares([5, 5], 4) == [[0], [1], [], []]


@given(st.lists(st.integers(1, 60), max_size=20), st.integers(1, 7))
def test_shares_are_disjoint_and_complete_and_even(lengths, processes):
    parts = shares(lengths, processes)
    assert sorted(index for part in parts for index in part) == list(range(len(lengths)))
    assert all(part == sorted(part) for part in parts)
    frames = [sum(lengths[i] for i in part) for part in parts]
    assert max(frames) - min(frames) <= max(lengths, default=0)


def test_two_real_processes_build_one_store_together(tmp_path):
    command = [sys.executable, "-m", "tracking_env.cli", "extract", "--sequences", "synthetic:0-2"]
    command += ["--store", str(tmp_path / "store"), "--json"]
    processes = [
        subprocess.Popen(
            command, env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2"}, stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    facts = [json.loads(output) for output in outputs]
    assert [item["rank"] for item in facts] == [0, 1]
    assert [item["extracted_frames"] for item in facts] == [120, 60]  # three sequences of 60 frames
    assert len(list((tmp_path / "store").glob("*.npy"))) == 3
    alone = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (json.loads(alone.stdout)["sequences"], json.loads(alone.stdout)["extracted_frames"]) == (3, 0)
