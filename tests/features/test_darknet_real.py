"""The reader of darknet files with the published weights of yolo-nano-voc on real frames."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tracking_env import boxes as bx  # noqa: E402
from tracking_env.datasets import otb  # noqa: E402
from tracking_env.features.base import extract  # noqa: E402
from tracking_env.features.darknet.files import read_cfg  # noqa: E402
from tracking_env.features.darknet.network import read  # noqa: E402
from tracking_env.features.extractors import make_extractor  # noqa: E402

CAR, PERSON = 6, 14  # of VOC's 20 classes in alphabetical order


@pytest.fixture(scope="module")
def detector(otb_root):
    """yolo-nano-voc: an RGB frame in; relative boxes ``(n, 4)`` and class scores ``(n, 20)`` out, all anchors."""
    weights = otb_root.parent / "weights" / "MobileNetV2-YOLOv3-Nano-voc.weights"
    if not weights.is_file():
        pytest.skip(f"no weights at {weights}")
    sections = read_cfg(weights.with_suffix(".cfg"))[1:]
    heads = [(index, section) for index, section in enumerate(sections) if section["type"] == "yolo"]
    assert [index - 1 for index, _ in heads] == [68, 78]
    net = read(weights.with_suffix(".cfg"), weights, (68, 78))

    def detect(frame):
        image = cv2.resize(frame, (320, 320), interpolation=cv2.INTER_LINEAR)
        with torch.inference_mode():
            maps = net(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
        boxes_of_heads, scores = [], []
        for (_, head), output in zip(heads, maps, strict=True):
            anchors = np.array(head["anchors"].split(","), float).reshape(6, 2)[
                [int(i) for i in head["mask"].split(",")]
            ]
            raw = output[0].double().reshape(3, 25, *output.shape[-2:])
            rows, columns = raw.shape[-2:]
            squashed, stretch = raw.sigmoid().numpy(), float(head["scale_x_y"])
            cx = (stretch * (squashed[:, 0] - 0.5) + 0.5 + np.arange(columns)) / columns
            cy = (stretch * (squashed[:, 1] - 0.5) + 0.5 + np.arange(rows)[:, None]) / rows
            w, h = (raw[:, [2, 3]].exp().numpy() * anchors[:, :, None, None] / 320).swapaxes(0, 1)
            boxes_of_heads.append(np.stack([cx, cy, w, h], axis=-1).reshape(-1, 4))
            scores.append(np.moveaxis(squashed[:, 4:5] * squashed[:, 5:], 1, -1).reshape(-1, 20))
        return np.concatenate(boxes_of_heads), np.concatenate(scores)

    return detect


@pytest.mark.otb
@pytest.mark.parametrize(
    ("name", "kind", "least"),
    [("Human7", PERSON, 8), ("Couple", PERSON, 7), ("BlurBody", PERSON, 8), ("BlurCar2", CAR, 7), ("Car4", CAR, 8)],
)
def test_the_published_network_detects_people_and_cars(detector, otb_root, name, kind, least):
    # Of 8 frames spread over the video. Measured: 8 of 8 for all five, one frame each of Couple and BlurCar2 barely.
    # Without the shortcuts, or with reversed routes, it is 0 of 8; with pixels in [-1, 1] three of the five fail.
    (sequence,) = otb.load(otb_root, name)
    hits = 0
    for index in np.linspace(0, len(sequence) - 1, 8).astype(int):
        boxes, scores = detector(sequence.frames[index])
        near = bx.iou(bx.top_left(boxes), bx.top_left(sequence.relative[index].astype(float))) >= 0.4
        best = int(np.where(near, scores.max(axis=1), -1).argmax())
        hits += bool(near[best] and scores[best].argmax() == kind and scores[best, kind] > 0.5)
    assert hits >= least


@pytest.mark.otb
def test_the_published_network_scores_rgb_higher_than_bgr(detector, otb_root):
    def mean_score(name, kind, turn):
        (sequence,) = otb.load(otb_root, name)
        total = 0.0
        for index in np.linspace(0, len(sequence) - 1, 6).astype(int):
            boxes, scores = detector(np.ascontiguousarray(sequence.frames[index][..., ::turn]))
            near = bx.iou(bx.top_left(boxes), bx.top_left(sequence.relative[index].astype(float))) >= 0.4
            total += scores[near, kind].max(initial=0) / 6
        return total

    videos = [("Human7", PERSON), ("Couple", PERSON), ("Jogging-1", PERSON), ("CarScale", CAR)]  # in colour
    rgb, bgr = (np.mean([mean_score(*video, turn) for video in videos]) for turn in (1, -1))
    assert rgb > bgr + 0.02  # measured: 0.894 and 0.842


@pytest.mark.otb
def test_the_extractor_returns_the_finer_head_for_the_whole_rgb_frame(otb_root):
    weights = otb_root.parent / "weights" / "MobileNetV2-YOLOv3-Nano-voc.weights"
    if not weights.is_file():
        pytest.skip(f"no weights at {weights}")
    frame = otb.load(otb_root, "Couple")[0].frames[0]
    image = cv2.resize(frame, (320, 320), interpolation=cv2.INTER_LINEAR)
    net = read(weights.with_suffix(".cfg"), weights, (78,))
    with torch.inference_mode():
        (fine,) = (output[0].numpy() for output in net(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255))
    assert fine.shape == (75, 20, 20)
    pooled = fine.reshape(75, 10, 2, 10, 2).mean(axis=(2, 4))
    features = extract(make_extractor("yolo-nano-voc", weights), [frame])[0]
    assert features == pytest.approx(pooled.ravel(), abs=1e-3)


@pytest.mark.otb
def test_without_a_target_the_published_network_scores_low(detector):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    assert detector(noise)[1].max() < 0.5
    assert detector(np.full((240, 320, 3), 128, np.uint8))[1].max() < 0.5
