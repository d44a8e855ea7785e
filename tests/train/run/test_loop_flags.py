"""Flags that train/search.py and train/experts.py share."""

import pytest

pytest.importorskip("torch")

from tracking_env.errors import InputError
from train import experts_config, search_config


@pytest.mark.parametrize("module", [search_config, experts_config], ids=["search", "experts"])
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("episodes", 1, "give at least 2, since the baseline averages over them"),
        ("steps", 0, "--steps and --clips count from 1"),
        ("clips", 0, "--steps and --clips count from 1"),
        ("gamma", 1.5, "--gamma from 0 to 1"),
        ("sigma", 0.0, "give --sigma, --lr, --lr-end and --clip-norm > 0"),
        ("lr_end", 0.0, "give --sigma, --lr, --lr-end and --clip-norm > 0"),
    ],
)
def test_options_of_the_loop_out_of_range_are_refused(module, option, value, message):
    with pytest.raises(InputError, match=message):
        module.LoopConfig(**{option: value})


@pytest.mark.parametrize("config", [search_config.SearchConfig, experts_config.ExpertsConfig])
def test_checkpoints_are_some_updates_apart(config):
    with pytest.raises(InputError, match="--checkpoint-every is 0; give a number of updates >= 1"):
        config(checkpoint_every=0)
