"""Tests of the firmware command."""
