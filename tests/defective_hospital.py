"""Studies of ready features with one defect each, and their chapters run in this process.

Two small hospitals whose patients have age, sex, a predictor of words and twenty features. What hospitals do
to such tables is a function a defect: it changes the tables, or the study file.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

HOME, AWAY = 60, 40
FEATURES = [f"original_glcm_Made{number:02d}" for number in range(20)]
# Light: what is looked for is whether a chapter stops.
LIGHT = {
    "04": {"resamples": 2, "folds": 3, "mrmr_features": 8, "workers": 1},
    "05": {"folds": 2, "workers": 1},
    "06": {"resamples": 10},
    "10": {"folds": 2, "repeats": 1, "resamples": 2, "permutations": 2, "workers": 1}
    | {"bootstrap_resamples": 50},
}


def people(number: int, first: int, seed: int) -> pd.DataFrame:
    """A hospital's table; two in five patients have the outcome."""
    rng = np.random.default_rng(seed)
    outcome = np.resize([0, 1, 0, 0, 1], number)
    return pd.DataFrame(
        {
            "patient_id": [f"MRN-{first + patient}" for patient in range(number)],
            "age": np.round(rng.normal(63 + 4 * outcome, 7)).clip(50, 90),
            "sex": np.where(rng.random(number) < 0.5 + 0.1 * outcome, "female", "male"),
            "smoking": rng.choice(["never", "former", "current"], number),
            "outcome": outcome,
        }
    )


def features(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Ready features: the first five know something of the outcome, the tenth and eleventh are alike."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(table), len(FEATURES)))
    values[:, :5] += table["outcome"].to_numpy()[:, None] * np.linspace(1.0, 0.4, 5)
    values[:, 11] = values[:, 10] + 0.05 * rng.normal(size=len(table))
    ready = pd.DataFrame(values * 10.0 + 100, columns=FEATURES)
    return pd.concat([table["patient_id"], ready], axis=1)


class Hospitals:
    """Tables by name, and the study file as YAML will hold it."""

    def __init__(self) -> None:
        self.tables = {"home": people(HOME, 100, 1), "away": people(AWAY, 500, 2)}
        self.tables |= {f"{name}_features": features(self.tables[name], 3) for name in ("home", "away")}
        self.study = {"name": "defect", "title": "One defect", "seed": 7, "outcome": {"given": True}}
        self.study |= {"predictors": ["age", "sex", "smoking"], "parameters": LIGHT | {}}
        self.study["sites"] = [
            {
                "name": name,
                "role": role,
                "table": {"path": f"{name}.csv"},
                "features": {"path": f"{name}_features.csv"},
            }
            for name, role in (("home", "development"), ("away", "external"))
        ]

    def second_reader(self, noise: float = 0.3) -> pd.DataFrame:
        """Add the features as another reader measured them."""
        table = self.tables["home_features"].copy()
        table[FEATURES] += np.random.default_rng(9).normal(0, noise, (len(table), len(FEATURES)))
        self.tables["second"] = table
        self.study["sites"][0]["second_reader_features"] = {"path": "second.csv"}
        return table

    def set(self, number: str, **values) -> None:
        """Set parameters of a notebook."""
        self.study["parameters"] = self.study["parameters"] | {
            number: self.study["parameters"].get(number, {}) | values
        }

    def write(self, folder: Path) -> Path:
        """Write tables and study file; returns the latter's path."""
        for name, table in self.tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        text = yaml.safe_dump(self.study, sort_keys=False)
        (folder / "study.yml").write_text(text, encoding="utf-8")
        return folder / "study.yml"


def execute_cells(notebook: Path, parameters: dict) -> None:
    """Run a notebook's code in this process, and show what each cell would show."""
    import nbformat

    names: dict = {"display": show, "__name__": "__main__"}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{notebook.stem}", "exec"), names)
        if last is not None:
            show(eval(compile(ast.Expression(last.value), notebook.stem, "eval"), names))
        if "parameters" in cell.metadata.get("tags", []):
            names |= parameters


def show(value: object) -> None:
    """Render a value as the page would: styled tables are computed only then."""
    if hasattr(value, "_repr_html_"):
        value._repr_html_()
