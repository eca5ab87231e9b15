"""A made-up world in exactly the input files, with a known hazard and a known, confounded effect of mentoring.

Belongs here: the generator and its writers. Does not belong here: anything that reads the files back.
"""

from pipelines.sources.simulated.settings import PRESETS, SimulationSettings, SimulationSummary
from pipelines.sources.simulated.simulation import simulate

__all__ = ["PRESETS", "SimulationSettings", "SimulationSummary", "simulate"]
