"""What the bytes mean: PDUs, fragments, command sets and the upper-layer state table.

Nothing in here knows a socket, a clock, a log or Twisted.
"""
