"""What each of our processes needs and none should write twice.

Takes values, not settings objects; knows `contracts` and no application.
"""
