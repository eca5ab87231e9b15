"""Reports as static files: pages that need no server, no network and no script."""
