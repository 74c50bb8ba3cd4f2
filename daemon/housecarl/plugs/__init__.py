"""Access to smart plugs: asking, switching, measuring, finding, flashing; nothing of the daemon."""
