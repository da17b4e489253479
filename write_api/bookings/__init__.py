"""Bookings, and the seats they take.

This is the plain, correct transaction: one request, one transaction, a handful of statements under the lock
of the ticket type's stock. It is the baseline that the path for the peak is measured against, and the oracle
that it is tested against.
"""
