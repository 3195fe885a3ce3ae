"""The user's files: which there are, which are wanted, reading and writing them.

`scan` walks the source tree, `patterns` chooses, `capture` turns what is there
into nodes, `estimate` counts ahead of a backup, `apply` puts nodes back.
Everything below a root goes through descriptors, so that no symbolic link is
ever followed and no path is ever too long.
"""
