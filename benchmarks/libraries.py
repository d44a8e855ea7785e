"""Does PPO learn with a library's own defaults? python benchmarks/libraries.py --library sb3

Each library trains its PPO, unchanged, on ``OTBTrackSearch-v0`` with `FlatObservation` and `SymmetricAction`. Its mean
action then follows the targets of videos that it was not trained on, whole ones, with the true box given once. The same
row has the zero action, which keeps the first box, and the policy before training.

They come with pip install -e '.[libraries]'. CleanRL is one file: give --cleanrl ppo_continuous_action.py, of the
package cleanrl or of its repository.
"""

import argparse
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

import tracking_env
from tracking_env.datasets import load
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.evaluation import evaluate
from tracking_env.trackers import run

gym.register_envs(tracking_env)
Act = Callable[[np.ndarray], np.ndarray]
"""A policy's most likely action, ``(4,)``, for a flat observation."""
TRAINING, TEST = "synthetic:0-63", "synthetic:10000-10019"
ENVIRONMENTS = 16
"""Environments side by side, for libraries whose defaults need several."""
HIDDEN = 64
"""Neurons of each of two layers, where a library leaves the network to its users: those of SB3 and CleanRL."""


def make_env() -> gym.Env:
    """The environment that all libraries learn."""
    env = gym.make("OTBTrackSearch-v0", sequences=TRAINING, split="all", clip_length=20)
    return FlatObservation(SymmetricAction(env))


def train_sb3(steps: int, seed: int) -> Act:
    """Stable-Baselines3: the defaults of PPO."""
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", make_env(), seed=seed, device="cpu")
    model.learn(steps)
    return lambda observation: model.predict(observation, deterministic=True)[0]


def train_cleanrl(steps: int, seed: int, file: Path) -> Act:
    """CleanRL: the file as it is, but for the environment that its make_env makes."""
    own = "def make_env(*_):\n    return lambda: gym.wrappers.RecordEpisodeStatistics(our_env())\n\n\n"
    source, count = re.subn(r"def make_env\(.*?(?=^def )", own, file.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert count == 1, "the file has no function make_env"
    names = {"__name__": "__main__", "__file__": str(file), "our_env": make_env}
    before = sys.argv
    sys.argv = [str(file), "--env-id", "ours", "--total-timesteps", str(steps), "--seed", str(seed)]
    try:
        exec(compile(source, str(file), "exec"), names)
    finally:
        sys.argv = before
    agent = names["agent"]

    def act(observation: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return agent.actor_mean(torch.from_numpy(observation[None]))[0].numpy()

    return act


def train_skrl(steps: int, seed: int) -> Act:
    """skrl: the defaults of PPO, on its own model of two layers.

    They are made for many environments side by side: of each they take 16 steps between two updates.
    """
    from skrl.agents.torch.ppo import PPO
    from skrl.envs.wrappers.torch import wrap_env
    from skrl.memories.torch import RandomMemory
    from skrl.trainers.torch import SequentialTrainer
    from skrl.utils import set_seed
    from skrl.utils.model_instantiators.torch import deterministic_model, gaussian_model

    set_seed(seed)
    same_step = gym.vector.AutoresetMode.SAME_STEP  # else the step after an episode's end would be learned from
    env = wrap_env(gym.vector.SyncVectorEnv([make_env] * ENVIRONMENTS, autoreset_mode=same_step), verbose=False)
    layers = [{"name": "net", "input": "OBSERVATIONS", "layers": [HIDDEN, HIDDEN], "activations": "tanh"}]
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    models = {
        "policy": gaussian_model(**spaces, network=layers, output="ACTIONS"),
        "value": deterministic_model(**spaces, network=layers, output="ONE"),
    }
    memory = RandomMemory(memory_size=16, num_envs=env.num_envs, device=env.device)  # the default of rollouts
    agent = PPO(models=models, memory=memory, cfg={}, **spaces)
    if steps:
        SequentialTrainer(
            env=env, agents=agent, cfg={"timesteps": steps // ENVIRONMENTS, "disable_progressbar": True}
        ).train()

    def act(observation: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            _, outputs = models["policy"].act({"observations": torch.from_numpy(observation[None])}, role="policy")
        return outputs["mean_actions"][0].numpy()

    return act


def train_tianshou(steps: int, seed: int) -> Act:
    """tianshou: the defaults of its high-level PPO experiment, but for the number of epochs and of environments."""
    from tianshou.data import Batch
    from tianshou.highlevel.config import OnPolicyTrainingConfig
    from tianshou.highlevel.env import EnvFactory, VectorEnvType
    from tianshou.highlevel.experiment import ExperimentConfig, PPOExperimentBuilder

    class Factory(EnvFactory):
        def _create_env(self, mode: object) -> gym.Env:
            return make_env()

    training = OnPolicyTrainingConfig(
        max_epochs=1, epoch_num_steps=max(1, steps), num_training_envs=1, num_test_envs=1, test_step_num_episodes=1
    )
    experiment = ExperimentConfig(
        seed=seed, device="cpu", watch=False, persistence_enabled=False, log_file_enabled=False, train=steps > 0
    )
    world = PPOExperimentBuilder(Factory(VectorEnvType.DUMMY), experiment, training).build().run().world
    policy = world.algorithm.policy.eval()

    def act(observation: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return policy(Batch(obs=observation[None], info={})).logits[0][0].numpy()

    return act


def train_torchrl(steps: int, seed: int) -> Act:
    """TorchRL: the losses' defaults, in the loop of its tutorial of PPO; it has no defaults for the loop."""
    from tensordict.nn import TensorDictModule
    from tensordict.nn.distributions import NormalParamExtractor
    from torch import nn
    from torchrl.collectors import Collector
    from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement
    from torchrl.envs import GymWrapper
    from torchrl.modules import ProbabilisticActor, TanhNormal, ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE

    torch.manual_seed(seed)
    env = GymWrapper(make_env())
    env.set_seed(seed)
    size = env.observation_spec["observation"].shape[-1]

    def layers(outputs: int) -> nn.Sequential:
        return nn.Sequential(
            *(nn.Linear(size, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh()),
            nn.Linear(256, outputs),
        )

    network = TensorDictModule(
        nn.Sequential(layers(8), NormalParamExtractor()), in_keys=["observation"], out_keys=["loc", "scale"]
    )
    actor = ProbabilisticActor(
        network, in_keys=["loc", "scale"], spec=env.action_spec, distribution_class=TanhNormal, return_log_prob=True
    )
    critic = ValueOperator(layers(1), in_keys=["observation"])
    batch_size, frames, epochs = 64, 1000, 10  # of the tutorial, as the 256 neurons, the rate and the norm below
    buffer = ReplayBuffer(storage=LazyTensorStorage(frames), sampler=SamplerWithoutReplacement(), batch_size=batch_size)
    advantage = GAE(gamma=0.99, lmbda=0.95, value_network=critic, average_gae=True)
    loss_module = ClipPPOLoss(actor, critic)
    optimizer = torch.optim.Adam(loss_module.parameters(), lr=3e-4)
    if steps:
        for data in Collector(env, actor, frames_per_batch=frames, total_frames=steps - steps % frames):
            for _ in range(epochs):
                advantage(data)
                buffer.extend(data.reshape(-1).cpu())
                for _ in range(frames // batch_size):
                    losses = loss_module(buffer.sample())
                    sum(losses[name] for name in list(losses.keys()) if name.startswith("loss_")).backward()
                    torch.nn.utils.clip_grad_norm_(loss_module.parameters(), 1.0)
                    optimizer.step()
                    optimizer.zero_grad()

    def act(observation: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.tanh(network(torch.from_numpy(observation))[0]).numpy()

    return act


LIBRARIES = {
    "sb3": ("stable-baselines3", train_sb3),
    "cleanrl": ("cleanrl", train_cleanrl),
    "skrl": ("skrl", train_skrl),
    "tianshou": ("tianshou", train_tianshou),
    "torchrl": ("torchrl", train_torchrl),
}
"""Distribution and training function of each library. 0 steps give the policy before training."""


def mean_iou(act: Act) -> float:
    """Mean IoU over the test videos, whole ones, with the true box given once."""
    sequences, env = load(sequences=TEST), make_env()
    boxes = {sequence.name: run(as_tracker(act, env), sequence).boxes for sequence in sequences}
    report = evaluate(boxes, {sequence.name: sequence.boxes for sequence in sequences}, dict.fromkeys(boxes, 0))
    scores = report.mean["whole"]
    assert scores is not None
    return scores.mean_iou


def main() -> None:
    """Train and print a row for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", choices=LIBRARIES, required=True)
    parser.add_argument("--cleanrl", type=Path, help="CleanRL's file ppo_continuous_action.py")
    parser.add_argument("--env-steps", type=int, default=20_480, help="steps of the environment")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)  # the networks are small: a second thread only waits
    distribution, train = LIBRARIES[arguments.library]
    options = {"file": arguments.cleanrl.resolve()} if arguments.library == "cleanrl" else {}
    name = f"{distribution} {version(distribution)}" if not options else "CleanRL, ppo_continuous_action.py"
    print(
        "| library | seed | zero action | untrained | trained | env steps | seconds | CPU seconds |\n"
        + "|---" * 8
        + "|"
    )
    zero = mean_iou(lambda _: np.zeros(4, np.float32))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # some libraries write logs
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            untrained = mean_iou(train(0, seed, **options))
            begun, begun_cpu = time.monotonic(), time.process_time()
            act = train(arguments.env_steps, seed, **options)
            seconds, cpu = time.monotonic() - begun, time.process_time() - begun_cpu
            print(
                f"| {name} | {seed} | {zero:.3f} | {untrained:.3f} | {mean_iou(act):.3f} | {arguments.env_steps} | "
                f"{seconds:.0f} | {cpu:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
