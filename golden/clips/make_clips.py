# SPDX-License-Identifier: Apache-2.0
"""Make the demo clips of this folder with espeak-ng: ``python -m golden.clips.make_clips``."""

import argparse
import sys
from pathlib import Path

from golden.datasets import speech_synthesis as synthesis
from golden.datasets.features import write_wav


def main():
    """Write one clip for each digit and clip voice; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    folder = parser.parse_args().out
    try:
        for voice in synthesis.CLIP_VOICES:
            for digit in range(10):
                path = folder / f"{digit}_{voice.replace('+', '-')}_0.wav"
                write_wav(path, synthesis.speak(digit, voice))
                print(f"{path.name}  {path.stat().st_size} bytes")
    except (synthesis.SynthesisError, OSError) as error:
        print(f"make_clips: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
