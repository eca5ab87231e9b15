"""Pure feature functions: Narwhals lazy frames in, one lazy frame out; no clock, no file, no engine."""
