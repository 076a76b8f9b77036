"""Values computed in R and the public data behind them (tests/reference, see its README)."""

import json
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent / "reference"


def expected(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["results"]


def data(name, **options):
    return pd.read_csv(FOLDER / "data" / f"{name}.csv", **options)


def birthwt():
    """Birth weights with the reference level of race that R used."""
    table = data("birthwt")
    return table.assign(race=pd.Categorical(table["race"], ["white", "black", "other"]))
