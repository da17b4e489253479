"""Measurements, run by `make bench`. They print figures beside their goals and never fail on a figure."""
