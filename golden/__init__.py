"""What the accelerator must equal.

``fixed``, ``model_file`` and ``integer`` define the arithmetic bit for bit and need numpy alone;
``delta_gru``, ``convert`` and ``train`` make models for it with torch; ``features`` and ``fsdd``
turn recordings into its inputs. Import the module you need: this package imports none of them.
"""
