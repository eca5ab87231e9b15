"""Files in the home's own inbox, cleaned of the erased before they are taken and sealed as they are.

Belongs here: rewriting what waits in the inbox. Does not belong here: rows on their way in (`pipelines.sources`), which
keep the erased out of what is read in place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.archive import sync
from pipelines.privacy.deliveries import aliases_of, clean_file, links_in
from pipelines.sources.inbox import InboxFile
from pipelines.sources.mapping import load_mapping
from pipelines.sources.tombstones import Tombstones, follow_links
from pipelines.warehouse import Warehouse

# Not one of the inbox's files by its first character, and swept by the next look.
_ASIDE = ".erasing-"


def clean_inbox(
    files: Sequence[InboxFile],
    inbox: Path,
    warehouse: Warehouse,
    erased: Tombstones,
    *,
    on_gone: Callable[[str], None],
) -> int:
    """Take the erased out of files that are about to be taken; returns how many files changed: look again then.

    Args:
        files: what a look found; nobody writes into them.
        warehouse: where identities are entered that these files link to an erased learner.
        inbox: the home's own; a file that lies elsewhere is the operator's and is left alone.
        erased: who; where nobody was, nothing is read.
        on_gone: told each row or line that goes.
    """
    if not erased:
        return 0
    for leftover in inbox.glob(f"*/{_ASIDE}*"):
        leftover.unlink()
    own = [file for file in files if file.path.parent.parent.resolve() == inbox.resolve()]
    links = [link for file in own if file.table == "learner_identity" for link in links_in(file.path)]
    if follow_links(links, warehouse, erased):
        erased = Tombstones.of(warehouse, erased.pseudonyms)
    aliases = aliases_of(load_mapping(inbox)) if own else {}
    changed = 0
    for file in {file.path: file for file in own}.values():
        aside = file.path.with_name(_ASIDE + file.path.name)
        table = file.table if file.path.parent.name == file.table else ""
        if clean_file(file.path, table, erased, aside, on_gone=on_gone, aliases=aliases):
            file.ensure_unchanged()
            os.chmod(aside, file.path.stat().st_mode & 0o777)
            sync(aside)
            os.replace(aside, file.path)
            sync(file.path.parent)
            changed += 1
    return changed
