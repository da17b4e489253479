"""What crosses a boundary between parts of Frontrow; imports nothing else of ours.

A part may change its insides freely; a change in here is a change of everybody.
"""
