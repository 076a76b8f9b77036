"""What quality control measures in a patient in whom nothing is wrong (by hand), and a study."""

from helpers.imaging.regions import LAYERS
from helpers.study.study_file import Study

PLAUSIBLE = {
    **{f"hu_{name.lower().replace(' ', '_')}": 150.0 for name in LAYERS.values()},
    **{f"volume_{name.lower().replace(' ', '_')}": 4000.0 for name in LAYERS.values()},
    **{
        f"margin_{vertebra}_{side}": 1.5
        for vertebra in ("t12", "l1")
        for side in ("head", "foot", "left", "right", "front", "back")
    },
    **{
        f"extent_{vertebra}_{size}": {"height": 19.0, "width": 35.0, "depth": 25.0}[size]
        for vertebra in ("t12", "l1")
        for size in ("height", "width", "depth")
    },
    **{
        f"body_{vertebra}_{size}": {"height": 22.0, "width": 38.0, "depth": 28.0}[size]
        for vertebra in ("t12", "l1")
        for size in ("height", "width", "depth")
    },
    **{"step_height": 1.0, "step_width": 0.7, "step_depth": 0.7},
    **{"air_percent": 0.0, "fat_percent": 0.0, "cortex_percent": 0.5, "lost_percent": 0.0},
    **{"injected": False, "levels_mm": 32.0, "tilt_degrees": 12.0, "at_edge": 0.0},
    **{"fat_hu": -100.0, "soft_hu": 50.0, "noise_alternates": 1.02, "noise_jumps": 1.2},
    **{"pixel_scale": 1.002, "sex": ""},
}


def study(**settings):
    """A study of one virtual hospital with the given settings; nothing of it is on disk."""
    sites = [{"name": "here", "role": "development", "virtual": {"protocol": "p.yml", "patients": 40}}]
    return Study(name="s", title="S", seed=1, sites=sites, extraction="e.yml", file="s.yml", **settings)
