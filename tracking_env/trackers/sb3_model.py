"""Any model that Stable-Baselines3 saved, as a policy of ``OTBTrack-v0``. Loading this module loads torch."""

import inspect
import logging
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tracking_env.errors import InputError, MissingPackageError, first_line, option
from tracking_env.features.extractors import make_extractor
from tracking_env.files import sha256
from tracking_env.trackers.base import Policy
from tracking_env.trackers.ready import ReadyBox, ReadyPolicy, flatten_frame
from tracking_env.trackers.trained import TrainedTracker

try:
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.save_util import load_from_pkl, load_from_zip_file
except ModuleNotFoundError as error:
    raise MissingPackageError("a model of Stable-Baselines3", error) from None

logger = logging.getLogger(__name__)


class SB3Policy:
    """A policy of Stable-Baselines3 as a `tracking_env.trackers.base.Policy`: its mean (or most likely) box.

    The state of an LSTM goes in and comes out of `act`.

    Args:
        policy: of any algorithm with a box of four as its action, whatever its bounds, on the observations of
            ``OTBTrack-v0``: the `Dict` as it is, pictures instead of features, or both flattened into one vector.
        normaliser: the `VecNormalize` that it was trained under, or None.

    Attributes:
        shape: of the features or the picture; None where the policy takes one flat vector.

    Raises:
        InputError: it has other actions or observations.
    """

    def __init__(self, policy: BasePolicy, normaliser: Any = None) -> None:
        self.policy, self.normaliser = policy, normaliser
        action, observation = policy.action_space, policy.observation_space
        if not (isinstance(action, spaces.Box) and action.shape == (4,) and action.is_bounded()):
            raise InputError(f"the model's actions are {action}; a tracker's are Box(low, high, (4,))")
        self.low, self.range = action.low, action.high - action.low
        if isinstance(observation, spaces.Dict) and set(observation) == {"features", "location"}:
            self.shape: tuple[int, ...] | None = observation["features"].shape
        elif isinstance(observation, spaces.Box) and len(observation.shape) == 1:
            self.shape = None
        else:
            raise InputError(
                f"the model sees {observation}; wanted OTBTrack-v0's Dict of features and location, or the two "
                "flattened"
            )

    @property
    def features(self) -> int:
        """D, the length of the feature vector that it takes; rows x columns x 3 of a picture."""
        if self.shape is not None:
            return math.prod(self.shape)
        observation = self.policy.observation_space
        assert isinstance(observation, spaces.Box)
        return observation.shape[0] - 4

    def act(self, observation: dict[str, np.ndarray], state: Any = None) -> tuple[np.ndarray, Any]:
        """One step: ``features (D,)`` and ``location (4,)`` -> the action ``(4,)`` in [0, 1] and the next state."""
        batch = self.batch(observation["features"][None], observation["location"][None])
        if self.normaliser is not None:
            batch = self.normaliser.normalize_obs(batch)
        action, state = self.policy.predict(batch, state, np.array([state is None]), deterministic=True)
        return self.relative(action)[0], state

    def batch(self, features: np.ndarray, location: np.ndarray) -> Any:
        """Features ``(B, D)`` and locations ``(B, 4)`` as the model takes them."""
        if self.shape is None:
            return np.concatenate([features, location], axis=-1, dtype=np.float32)
        assert isinstance(self.policy.observation_space, spaces.Dict)
        dtype = self.policy.observation_space["features"].dtype
        if len(self.shape) == 3 and self.shape[0] == 3:  # SB3 has moved the picture's channels to the front
            features = features.reshape(-1, *self.shape[1:], 3).transpose(0, 3, 1, 2)
        return {"features": features.reshape(-1, *self.shape).astype(dtype), "location": location}

    def relative(self, action: np.ndarray) -> np.ndarray:
        """The model's actions ``(..., 4)``, in its own bounds, as relative boxes float32."""
        return _relative(self.policy.action_space, action)


class SB3Model:
    """A saved model that acts on observations as its algorithm saw them, most likely actions only.

    Args:
        policy: of any algorithm.
        normaliser: the `VecNormalize` that it was trained under, or None.
    """

    def __init__(self, policy: BasePolicy, normaliser: Any = None) -> None:
        self.policy, self.normaliser = policy, normaliser
        self.observation_space, self.action_space = policy.observation_space, policy.action_space

    def act(self, observation: Any, state: Any = None) -> tuple[np.ndarray, Any]:
        """The model's action, in its own bounds, for one observation, and the next state of an LSTM."""
        seen = observation if self.normaliser is None else self.normaliser.normalize_obs(observation)
        return self.policy.predict(seen, state, np.array([state is None]), deterministic=True)


def read(path: Path, trust: bool) -> SB3Model:
    """The model in a file that ``model.save`` wrote, of whatever algorithm.

    If it was trained under `VecNormalize`, so that its observations were normalised, their statistics are read from
    `statistics_file`. The file of an off-policy algorithm does not tell that: without statistics there is a warning.

    Args:
        path: the file. It holds pickles: reading it runs code that its maker chose.
        trust: read it all the same.

    Raises:
        InputError: the file is not trusted or cannot be read, or the statistics are missing.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is no SB3 model; give what model.save wrote, or a folder of train/sb3.py")
    if not trust:
        raise InputError(
            f"{path} holds pickles, and to read those is to run code that its maker chose; if you trust where it comes "
            f"from, add {option('trust', True)} (folders of train/sb3.py need none)"
        )
    try:
        data, parameters, _ = load_from_zip_file(path, device="cpu")
        assert data is not None
        policy_class = data["policy_class"]
        known = inspect.signature(policy_class).parameters
        # Policies make an optimiser too, which is not used here, so any rate will do.
        options = {"lr_schedule": lambda _: 0.0, "use_sde": data.get("use_sde", False)} | data["policy_kwargs"]
        options = {name: value for name, value in options.items() if name in known}
        policy: BasePolicy = policy_class(data["observation_space"], data["action_space"], **options)
        policy.load_state_dict(parameters["policy"])  # type: ignore[arg-type]  # a dict of tensors, not a tensor
    except Exception as error:  # whatever the code in it does
        raise InputError(f"cannot read the SB3 model {path}: {first_line(error)}") from None
    # SB3 keeps the observation before normalisation, and nothing where it does not normalise.
    if data.get("_last_original_obs") is None:
        return SB3Model(policy)
    file = statistics_file(path)
    if not file.is_file() and "learning_starts" in data:
        # Off-policy algorithms keep an observation in either case.
        logger.warning(
            "%s does not tell whether VecNormalize normalised its observations; if it did, save the statistics beside "
            "it: vec_env.save(%r)",
            *(path, str(file)),
        )
        return SB3Model(policy)
    if not file.is_file():
        raise InputError(
            f"{path} was trained on observations that VecNormalize normalised; without its statistics the boxes mean "
            f"nothing. Save them beside the model: vec_env.save({str(file)!r})"
        )
    try:
        with file.open("rb") as content:
            normaliser = load_from_pkl(content)
        normaliser.training = False
        return SB3Model(policy, normaliser)
    except Exception as error:  # as above
        raise InputError(f"cannot read the statistics {file}: {first_line(error)}") from None


def statistics_file(path: Path) -> Path:
    """Where the statistics of `VecNormalize` lie: the file of SB3's `CheckpointCallback`, or ``vecnormalize.pkl``."""
    # rl_model_1000_steps.zip has its statistics in rl_model_vecnormalize_1000_steps.pkl.
    prefix, _, steps = path.stem.removesuffix("_steps").rpartition("_")
    numbered = path.with_name(f"{prefix}_vecnormalize_{steps}_steps.pkl")
    return numbered if numbered.is_file() else path.with_name("vecnormalize.pkl")


def frame_tracker(model: SB3Model, path: Path, weights: Path | None, features: str | None) -> TrainedTracker:
    """A model of ``OTBTrack-v0`` or ``OTBTrackPixels-v0`` as a tracker.

    Args:
        model: from `read`.
        path: its file, for the id and for messages.
        weights: of the extractor.
        features: name of the extractor; by default grid, or pixels where the model sees pictures.

    Raises:
        InputError: it is no tracker, or the extractor gives other features than it was trained on.
    """
    policy: Policy
    observation, action = model.observation_space, model.action_space
    if isinstance(observation, ReadyBox):
        size = observation.shape[0] - 5
        policy = ReadyPolicy(model, flatten_frame, lambda numbers, _: _relative(action, numbers))
    else:
        policy = SB3Policy(model.policy, model.normaliser)
        size = policy.features
        if features is None and policy.shape is not None and len(policy.shape) == 3:
            rows, columns = policy.shape[1:] if policy.shape[0] == 3 else policy.shape[:2]
            features = f"pixels:{rows}x{columns}"
    extractor = make_extractor(features or "grid", weights)
    if extractor.dim != size:
        raise InputError(
            f"{path} was trained on {size} features a frame, {extractor.id} gives {extractor.dim}; name its extractor "
            f"with {option('features')}"
        )
    return TrainedTracker(policy, extractor, f"{path.name} {digest(path)} {extractor.id}")


def _relative(action: Any, numbers: np.ndarray) -> np.ndarray:
    """An action in its own bounds as a relative box."""
    return ((numbers - action.low) / (action.high - action.low)).astype(np.float32)


def digest(path: Path) -> str:
    """Tells a model's file, and its statistics, from others."""
    files = [file for file in (path, statistics_file(path)) if file.is_file()]
    return "-".join(sha256(file)[:8] for file in files)
