"""What every process must agree on: domain, wire, adapters, runtime, client. Exactly these
rooms.
"""
