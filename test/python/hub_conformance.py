"""Python's huggingface_hub against a local Hub. Prints one JSON line per check: {"check", "ok",
"detail"}.

Arguments: folder of the embedded model, scratch folder. Environment: HF_ENDPOINT, HF_HOME,
HF_HUB_DISABLE_XET=1. The Hub knows hf_ada (writes ada and acme), hf_eve (writes eve), hf_bob
(reads), the gated repo closed/base, open to ada, and the dataset acme/text, which holds the
calibration corpus.
"""

import json
import traceback
import warnings

import hub_files  # noqa: F401 - the order of these two imports is that of their checks
import hub_history  # noqa: F401
from hub_clients import checks

warnings.simplefilter("ignore")
for run in checks:
    try:
        run()
        result = {"check": run.__name__, "ok": True, "detail": ""}
    except BaseException:  # noqa: BLE001 - whatever it is, it is this check's result
        result = {"check": run.__name__, "ok": False, "detail": traceback.format_exc()}
    print(json.dumps(result), flush=True)
