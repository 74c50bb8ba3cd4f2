"""Tests of the shipped commands; a package, so that their names may be those of other tests."""
