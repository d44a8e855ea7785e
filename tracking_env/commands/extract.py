"""``tracking-env extract``: features of all frames, ahead of training."""

import json
import os
import sys
from pathlib import Path

from tracking_env.commands import Json
from tracking_env.datasets import loading, sharding
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore


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
    """Extract features of all frames into a store, ahead of training. What is there already is not extracted again.

    Under torchrun (or wherever RANK and WORLD_SIZE are set) each process extracts its share of the sequences.

    Example: tracking-env extract --root OTB --sequences drlt30 --features yolo-nano-voc

    Args:
        root: folder that holds OTB's sequence folders; without it sequences are drawn.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9. By default all that are in the root.
        features: the extractor's name.
        weights: its weights file, or the folder that holds it; by default downloaded.
        store: folder for the features, by default one of this extractor in the cache folder.
        device: where the extractor computes: auto (a GPU if there is one), cpu, cuda, cuda:1, ...; under torchrun each
            process of a machine takes a GPU of its own.
        jobs: number of threads that decode frames beside the extractor; by default one a core, up to 16.
        as_json: print JSON instead of a line.
    """
    shard = sharding.from_environment(os.environ)
    chosen = sharding.mine(loading.load(root, sequences), shard)
    kept = FeatureStore(make_extractor(features, weights, device), store, jobs)
    try:
        built = kept.build(chosen)
    except KeyboardInterrupt:
        print(f"tracking-env: stopped; what is done is in {kept.folder}: type it again to go on", file=sys.stderr)
        return 130
    facts = {
        "extractor": kept.extractor.id,
        "dim": kept.extractor.dim,
        "store": str(kept.folder),
        **shard._asdict(),
        "sequences": len(chosen),
        "frames": sum(map(len, chosen)),
        "extracted_sequences": built.sequences,
        "extracted_frames": built.frames,
        "seconds": round(built.seconds, 3),
        "fps": round(built.fps, 1),
    }
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        share = f" (process {shard.rank + 1} of {shard.world_size})" if shard.world_size > 1 else ""
        print(
            "{extractor} in {store}: {sequences} sequences, {frames} frames{share}; extracted now: "
            "{extracted_sequences} sequences, {extracted_frames} frames in {seconds:.1f} s, {fps:.0f} frames/s".format(
                share=share, **facts
            )
        )
    return 0
