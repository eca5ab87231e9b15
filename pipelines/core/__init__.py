"""From raw to core: identities linked, statements attributed, ends decided. SQL over the warehouse.

Belongs here: what schema core holds, a module a subject. Does not belong here: features, labels, wiring.
Every function takes the open night, fills its tables anew and is as of the night's observed_at.
"""
