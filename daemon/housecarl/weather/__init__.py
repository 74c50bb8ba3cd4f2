"""Where the weather comes from: web answers, places and sources; `modules/weather.py` tells it."""
