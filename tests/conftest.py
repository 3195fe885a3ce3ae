"""What every test starts from: how hard hypothesis looks for counterexamples.

``ci`` (the default) draws the same examples in each run, so that a failure is
never a surprise in somebody else's change; ``deep`` looks much further:
``tools/test --hypothesis-profile=deep``.
"""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.stores.fixtures"]

# A shell starts background jobs with Ctrl-C ignored, and programs that these tests
# start would inherit that; chunkvault leaves alone what is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=5_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")
