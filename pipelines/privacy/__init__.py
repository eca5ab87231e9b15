"""One person's rights: what is held of them, given out or erased from every store of a home.

Belongs here: finding a person in all stores (`person`), the rule for a table (`rows`), for files as delivered
(`deliveries`) and for everything else in a home (`files`), the order of an erasure (`erase`), the export (`export`).
Does not belong here: keeping the erased out later (`pipelines.sources.tombstones`).
"""
