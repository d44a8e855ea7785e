"""Metrics, scores of predicted boxes, result files, and running trackers into them.

>>> report = evaluate(read_results(Path("results/mil"), truths), truths)
>>> report.mean["unseen"].auc
"""

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.result_files import Results, read_results, write_result
from tracking_env.evaluation.runner import run_and_score
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import evaluate, score_folder
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore, score_boxes

__all__ = [
    "PARTS",
    "Report",
    "Results",
    "Score",
    "SequenceScore",
    "evaluate",
    "read_results",
    "run_and_score",
    "score_boxes",
    "score_folder",
    "write_result",
]
