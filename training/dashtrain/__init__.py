"""The recipe that trains, distils and fine-tunes Dashline's networks.

Modules, each with one subject: darknet (cfg and weights to a module and back),
topology (writes the cfgs), data (pictures and labels), augment (changes to
them), boxes, loss, detector (training on labels), distill (training by a
teacher), lanes and lanetask (the lane network and its training), loop (steps,
checkpoints, logs), evaluate (a fast AP50), report (tables, curves, cards),
commands (what train.py's commands do).
"""

import os

# Torch's threads wait for each other after every operation. Where they spin
# meanwhile, another busy process slows training many times over. OpenMP reads
# this once, so it must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
