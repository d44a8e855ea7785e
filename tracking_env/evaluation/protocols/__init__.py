"""How benchmarks score: a table of protocols, and the rules of each.

::

    from tracking_env.evaluation.protocols import PROTOCOLS, choose_protocol

    choose_protocol(None, "got10k").heading  # "GOT-10k: AO, SR.50, SR.75 ..."
"""

from tracking_env.evaluation.protocols.protocol import FrameMeasures, Protocol
from tracking_env.evaluation.protocols.table import PROTOCOLS, choose_protocol

__all__ = ["PROTOCOLS", "FrameMeasures", "Protocol", "choose_protocol"]
