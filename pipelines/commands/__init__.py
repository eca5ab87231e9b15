"""One file a command; each has `add_arguments(parser)` and `main(arguments) -> exit code`."""
