"""Tests of access to plugs, below the commands."""
