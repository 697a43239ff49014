"""Makes what Hypothesis draws depend on the seed alone.

It also draws constants that it finds in the code of the modules that are loaded, as far as they are not installed
packages. So the same seed would draw other requests in a checkout than in an installation, or once something else has
been imported. Importing this module takes that away for the process; there is no setting for it.
"""

from __future__ import annotations

from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.constants_ast import Constants

_NONE = Constants()

HypothesisProvider._local_constants = property(lambda self: _NONE)  # type: ignore[assignment]
