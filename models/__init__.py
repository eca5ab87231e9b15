"""Pure models, frames in and numbers out: risk, alerts, routing, learning mix, ROI, effect.

Belongs here: formulas and fits. Does not belong here: clock, files (but the model store), database, features.
"""
