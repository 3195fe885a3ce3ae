"""Named bytes: places where objects lie, and wrappers around them.

`base` states the contract, `memory` is its shortest fulfilment, `location`
turns what the user wrote into a backend.
"""
