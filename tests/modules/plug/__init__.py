"""Tests of the plug command."""
