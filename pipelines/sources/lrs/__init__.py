"""Statements from Learning Record Stores, over HTTP.

`client` asks and gets pages, `pages` cuts a page into statements, `state` remembers how far a pull is, `pull` follows
the pages of all stores side by side and hands the statements to the one way in (`pipelines.sources.intake`).
"""
