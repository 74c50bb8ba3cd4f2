"""The ways in: each hands what it was given, with its stamp, to the spool and says so then."""
