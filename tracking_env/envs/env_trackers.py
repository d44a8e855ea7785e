"""A policy that acts in an environment, as a tracker that sees the same."""

from typing import Any

import gymnasium as gym
import numpy as np

from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.envs.otb_track_experts import OTBTrackExpertsEnv
from tracking_env.envs.otb_track_search import OTBTrackSearchEnv
from tracking_env.envs.synthetic_track import SyntheticTrackEnv
from tracking_env.envs.wrappers import FlatObservation, SymmetricAction
from tracking_env.errors import InputError
from tracking_env.features.extractors import PixelExtractor
from tracking_env.search.ensemble.tracker import EnsembleTracker
from tracking_env.search.window import WindowTracker
from tracking_env.trackers.base import PolicyTracker, Tracker
from tracking_env.trackers.ready import ReadyPolicy


def as_tracker(policy: Any, env: gym.Env) -> Tracker:
    """A policy as a tracker on raw frames: it observes what the environment's agent observes.

    Args:
        policy: ``act(observation, state)`` returns an action of ``env.action_space`` and the next state; the state is
            None in the first frame. Or a function of the observation that returns the action.
        env: an environment of this package, of any id, and wrapped as in training. Wrappers that leave observations
            and actions as they are do no harm.

    Raises:
        InputError: a wrapper changes observations or actions, and is none of this package's.

    Example::

        env = FlatObservation(SymmetricAction(gym.make("OTBTrackSearch-v0", sequences="synthetic:0-31")))
        tracker = as_tracker(lambda observation: model.predict(observation, deterministic=True)[0], env)
        boxes = run(tracker, sequence).boxes
    """
    acting = policy if hasattr(policy, "act") else _Stateless(policy)
    layer: Any = env
    # From the outermost wrapper inwards: each turns a policy of the wrapped environment into one of the next.
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, FlatObservation):
            acting = ReadyPolicy(acting, layer.observation, lambda action, _: action)
        elif isinstance(layer, SymmetricAction):
            acting = ReadyPolicy(acting, lambda observation: observation, layer.decide)
        elif (layer.observation_space, layer.action_space) != (layer.env.observation_space, layer.env.action_space):
            raise InputError(
                f"{type(layer).__name__} changes observations or actions in a way that a tracker cannot repeat; use "
                "FlatObservation and SymmetricAction, or change them inside the policy"
            )
        layer = layer.env
    if isinstance(layer, OTBTrackSearchEnv):
        return WindowTracker(acting, layer.maps)
    if isinstance(layer, OTBTrackExpertsEnv):
        return EnsembleTracker(acting, layer.experts, "policy", pausing=layer.cost > 0)
    if isinstance(layer, OTBTrackEnv | SyntheticTrackEnv):
        extractor = layer.extractor
        if isinstance(extractor, PixelExtractor):  # whose vectors are the pictures' pixels
            shape = extractor.shape
            acting = ReadyPolicy(acting, lambda seen: _as_picture(seen, shape), lambda action, _: action)
        return PolicyTracker(acting, extractor)
    raise InputError(f"{type(layer).__name__} is no environment of this package")


def _as_picture(observation: dict[str, np.ndarray], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return observation | {"features": observation["features"].reshape(shape).astype(np.uint8)}


class _Stateless:
    """A function of the observation as a policy."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def act(self, observation: Any, state: None) -> tuple[np.ndarray, None]:
        return np.asarray(self.function(observation)), None
