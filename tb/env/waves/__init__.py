"""Layouts for waveform viewers, and pictures of a window of a dump for those who have none."""
