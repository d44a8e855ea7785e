"""Tracking inside a search window around the last predicted box: the window, its regions, proposals, trackers."""

from tracking_env.search.best_proposal import BestProposal, ProposalTracker
from tracking_env.search.window import SearchWindows, WindowTracker

__all__ = ["BestProposal", "ProposalTracker", "SearchWindows", "WindowTracker"]
