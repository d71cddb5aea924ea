# SPDX-License-Identifier: Apache-2.0
"""Many choices of thresholds measured at once, in parallel, and drawn."""

from golden.files import save_figure
from golden.tuning.operating_point import measure, pareto
from golden.workers import workers

_job = {}  # of a worker process: what does not change from point to point


def measure_all(model, items, thetas, platform, jobs=1, progress=lambda: None):
    """OperatingPoints for pairs ``(theta_x, theta_h)``, in their order, on `jobs` processes.

    `progress()` is called after each. Same result for any number of jobs.
    """
    if jobs == 1:
        points = []
        for theta_x, theta_h in thetas:
            points.append(measure(model, items, theta_x, theta_h, platform))
            progress()
        return points
    with workers(jobs, _begin, (model, items, platform)) as pool:
        futures = [pool.submit(_measure, *theta) for theta in thetas]
        for future in futures:
            future.add_done_callback(lambda _: progress())
        return [future.result() for future in futures]


def _begin(model, items, platform):
    _job.update(model=model, items=items, platform=platform)


def _measure(theta_x, theta_h):
    return measure(_job["model"], _job["items"], theta_x, theta_h, _job["platform"])


def picture(path, title, points, marked=()):
    """Draw error and latency against weight bytes for all points, with the Pareto front.

    `marked`: pairs of an OperatingPoint and a text, drawn as stars.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    front = pareto(points)
    first = points[0].evaluation
    figure, axes = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    figure.suptitle(title)
    for axis, key, label in (
        (axes[0], lambda p: p.error, first.score.name),
        (axes[1], lambda p: p.latency_us, "latency of a step, µs (mean)"),
    ):
        kilobytes = [p.evaluation.bytes_per_step / 1024 for p in points]
        shade = [max(p.theta_h) for p in points]
        dots = axis.scatter(kilobytes, [key(p) for p in points], c=shade, s=18, cmap="viridis")
        axis.plot(
            [p.evaluation.bytes_per_step / 1024 for p in front],
            [key(p) for p in front],
            color="#c0392b",
            lw=1,
            label="Pareto front of error and bytes",
        )
        axis.axvline(first.dense_bytes / 1024, color="k", ls=":", lw=1, label="dense GRU")
        for number, (point, text) in enumerate(marked):
            at = point.evaluation.bytes_per_step / 1024, key(point)
            axis.plot(*at, "*", color="#c0392b", ms=13)
            axis.annotate(
                text,
                at,
                xytext=(6, -14 if number % 2 else 8),
                textcoords="offset points",
                fontsize=8,
                color="#c0392b",
            )
        axis.set_xscale("log")
        axis.set_xlabel("weights read, KiB a step")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(loc="upper right", fontsize=8)
    figure.colorbar(dots, ax=axes, label="largest Θh, Q8.8 (256 = 1.0)")
    save_figure(figure, path, dpi=90)
    plt.close(figure)
