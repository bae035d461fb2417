"""The recipe that trains, distils and fine-tunes Dashline's networks.

Modules, each with one subject: darknet (cfg and weights to a module and back),
topology (writes the cfgs), data (pictures and labels), augment, boxes, loss,
distill, lanes and lanedata (the lane network), loop (steps, checkpoints,
logs), evaluate (a fast AP50), report (tables and curves).
"""
