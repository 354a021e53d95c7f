"""`python -m tflint_nan` is `tflint-nan`."""

import sys

from tflint_nan.cli import main

sys.exit(main())
