"""Rows of token ids as the benchmarks exchange them: JSON, all rows of one length."""
import json
import pathlib

import numpy as np


def read_rows(file, most=None):
    """`[[...], ...]` or `{"rows": [{"ids": [...], "domain": "en"}, ...]}` -> ids [rows, length],
    domains (empty where unlabelled)."""
    rows = json.loads(pathlib.Path(file).read_text())
    rows = rows["rows"] if isinstance(rows, dict) else rows
    labelled = isinstance(rows[0], dict)
    ids = np.array([row["ids"] if labelled else row for row in rows[:most]])
    return ids, [row.get("domain", "") for row in rows[:most]] if labelled else []
