"""Where alerts go once they are published: digests for people, a webhook for programs."""
