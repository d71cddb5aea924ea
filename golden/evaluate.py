"""What a model file is worth: accuracy and weight traffic of the integer model on recordings."""

from dataclasses import dataclass

from golden import integer
from golden.features import features_from_model, readout


@dataclass(frozen=True)
class Evaluation:
    """Totals over recordings. Rates are 0...1; bytes are weight bytes per time step."""

    recordings: int
    errors: int
    firing_x: float
    firing_h: float
    bytes_per_step: float
    dense_bytes: int

    @property
    def saving(self):
        """How many times fewer weight bytes than a dense GRU, which reads all at every step."""
        return self.dense_bytes / self.bytes_per_step if self.bytes_per_step else float("inf")

    def row(self, name):
        """One line of the table that `HEADING` heads."""
        return (
            f"{name:<24} {self.errors:>3}/{self.recordings:<4} "
            f"{100 * self.errors / self.recordings:>7.2f} {100 * self.firing_x:>9.1f} "
            f"{100 * self.firing_h:>9.1f} {self.bytes_per_step:>11.0f} {self.saving:>7.1f}x"
        )


HEADING = (
    f"{'thresholds':<24} {'errors':>8} {'error %':>7} {'dx fire %':>9} {'dh fire %':>9} "
    f"{'bytes/step':>11} {'saving':>8}"
)


def evaluate(model, recordings, theta_x=None, theta_h=None, progress=lambda items: items):
    """Run the integer model over `recordings`, each a sequence of its own; return an Evaluation.

    `theta_x`, `theta_h`: Q8.8, None for the model's own. `progress` may wrap the iteration.
    """
    extract = features_from_model(model)
    errors = steps = columns_x = columns_h = read = 0
    for recording in progress(recordings):
        traces = integer.run(model, extract(recording.samples), theta_x, theta_h)
        decision = readout(model, [trace.h for trace in traces])
        errors += decision.label != str(recording.digit)
        steps += len(traces)
        for trace in traces:
            columns_x += sum(layer.columns_x for layer in trace.layers)
            columns_h += sum(layer.columns_h for layer in trace.layers)
            read += trace.dram_bytes
    weights = (*model.weight_ih, *model.weight_hh)
    return Evaluation(
        recordings=len(recordings),
        errors=errors,
        firing_x=columns_x / (steps * sum(model.input_sizes)),
        firing_h=columns_h / (steps * sum(model.hidden_sizes)),
        bytes_per_step=read / steps,
        dense_bytes=sum(weight.nbytes for weight in weights),
    )
