"""``tracking-env extract``: extract the features of all frames before training."""

import json
import os
from pathlib import Path

from tracking_env.commands import Json
from tracking_env.datasets import loading, sharding
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.terminal import print_error, print_result


def extract_features(
    root: Path | None = None,
    sequences: str | None = None,
    features: str = "grid",
    weights: Path | None = None,
    store: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    as_json: Json = False,
) -> int:
    """Extract the features of all frames into a store, before training. Features in the store are not extracted again.

    Under torchrun (if RANK and WORLD_SIZE are set) each process extracts its share of the sequences.

    Example: tracking-env extract --root OTB --sequences drlt30 --features yolo-nano-voc

    Args:
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. By default synthetic:0-31.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. Or synthetic:0-9.
        features: name of the extractor.
        weights: the extractor's weights file, or its folder. By default they are downloaded.
        store: folder for the features. By default a folder in the cache.
        device: auto (a GPU if there is one), cpu, cuda, cuda:1, ...
        jobs: number of threads that decode frames. By default one per core, at most 16.
        as_json: print JSON instead of text.
    """
    shard = sharding.from_environment(os.environ)
    # Every process lists all sequences and selects its share, so the processes need not communicate.
    chosen = sharding.select_share(loading.load(root, sequences), shard)
    feature_store = FeatureStore(make_extractor(features, weights, device), store, jobs)
    try:
        built = feature_store.build(chosen)
    except KeyboardInterrupt:
        folder = feature_store.folder
        hint = "type the same command to go on"
        print_error(f"tracking-env: stopped; the features so far are in {folder}; {hint}")
        return 130
    facts = {
        "extractor": feature_store.extractor.id,
        "dim": feature_store.extractor.dim,
        "store": str(feature_store.folder),
        **shard._asdict(),
        "sequences": len(chosen),
        "frames": sum(map(len, chosen)),
        "extracted_sequences": built.sequences,
        "extracted_frames": built.frames,
        "seconds": round(built.seconds, 3),
        "fps": round(built.fps, 1),
    }
    if as_json:
        print_result(json.dumps(facts, indent=1))
    else:
        share = f" (process {shard.rank + 1} of {shard.world_size})" if shard.world_size > 1 else ""
        print_result(
            f"{facts['extractor']} in {facts['store']}: {facts['sequences']} sequences, {facts['frames']} frames"
            f"{share}; extracted now: {built.sequences} sequences, {built.frames} frames in {built.seconds:.1f} s, "
            f"{built.fps:.0f} frames/s"
        )
    return 0
