"""Other designs of booking, and of answering nothing, that write_api is measured beside.

`python -m benchmarks.booking_baselines NAME` runs one with write_api's settings and write_api's HTTP server.
"""
