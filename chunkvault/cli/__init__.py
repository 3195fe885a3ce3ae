"""The command line: arguments, environment, clock, terminal, exit codes.

`main` parses and dispatches, ``commands/`` holds one module per command. Nothing
below this folder prints, exits, reads the environment or asks the time.
"""
