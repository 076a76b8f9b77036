"""The audit's figures show every cohort."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.paper import clinical, performance, publication
from helpers.paper.reported import REPORTED_VALUES
from helpers.plots.audit import plot_auc_intervals, plot_clinical_aucs, plot_confusion_grids
from helpers.study.places import REPOSITORY

DESIGN = REPOSITORY / "data" / "paper" / "design.yml"


def test_figures_show_every_cohort():
    paper = publication.read_publication(REPORTED_VALUES, DESIGN)
    simulated = clinical.simulate_clinical_aucs(paper, np.random.default_rng(1), 10)
    drawn = [
        plot_auc_intervals(performance.auc_intervals(paper)),
        plot_confusion_grids(paper),
        plot_clinical_aucs(paper, simulated),
    ]
    for figure in drawn:
        titles = [axis.get_title().split("\n")[0] for axis in figure.axes]
        assert titles == ["Training", "Internal validation", "External validation"]
        plt.close(figure)
