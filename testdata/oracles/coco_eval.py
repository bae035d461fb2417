#!/usr/bin/python3
"""Average precision of each detector, as pycocotools measures it.

    DASHLINE_ASSETS=... /usr/bin/python3 testdata/oracles/coco_eval.py

pycocotools judges what the project's own detectors find in
drives/det_coco_val128 (dashline eval detect --dump); the labels are read here
anew. It is installed from PyPI into out/oracles, as Debian does not have it. The
output, coco_eval-NETWORK.json.gz beside this script, is

    {"network", "pycocotools", "numpy",
     "whole":     COCOeval's twelve figures of all that was found,
     "stats":     those of the detections below,
     "per_class": for each class with truth [class, AP, AP50, objects], of the same,
     "images":    for each image, by number, [class, score, x, y, w, h] a detection}

where the detections are those of a score of at least 0.01, the score rounded to
0.0001 (so that some are equal) and the box to 0.01 pixels.

coco_random.json.gz needs no assets: made-up sets that have what real ones have
seldom, many crowds, equal scores, sizes on the edges and more than a hundred
boxes of a class, each

    {"classes", "stats", "images": [{"truth": [class, x, y, w, h, area, crowd] each,
                                     "found": [class, score, x, y, w, h] each}]}
"""

import contextlib
import gzip
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "out" / "oracles"
PACKAGE = "pycocotools==2.0.11"
DATA = "drives/det_coco_val128"
NETWORKS = {
    "yolo-fastest-1.1-xl": "coco.names",
    "yolo-fastest-1.1": "coco.names",
    "mobilenetv2-yolov3-nano-coco": "coco.names",
    "mobilenetv2-yolov3-nano-voc": "voc.names",
    "yolox-nano-416": "coco.names",
    "nanodet": "coco.names",
}
SCORE = 0.01
SAME = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "tvmonitor": "tv",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
}


def installed():
    """Runs this script again where pycocotools is."""
    try:
        import pycocotools  # noqa: F401
    except ImportError:
        if sys.prefix == str(VENV):
            raise
        python = VENV / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PACKAGE], check=True)
        os.execv(python, [python, *sys.argv])


def lines(path):
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def labels(data, names):
    """A COCO instances dictionary of the folder, with the classes of a network."""
    import cv2

    index = {SAME.get(name, name): i for i, name in enumerate(names)}
    theirs = {}
    for line in lines(data / "names.yaml"):
        number, _, name = line.partition(": ")
        if number.isdigit():
            theirs[int(number)] = name
    images, annotations = [], []

    def add(image, name, box, crowd):
        if name in index:
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": index[name] + 1,
                "bbox": box, "area": box[2] * box[3], "iscrowd": crowd,
            })

    for path in sorted((data / "images").glob("*.jpg")):
        height, width = cv2.imread(str(path)).shape[:2]
        images.append({"id": int(path.stem), "width": width, "height": height})
        label = data / "labels" / f"{path.stem}.txt"
        for line in lines(label) if label.exists() else []:
            number, *box = line.split()
            cx, cy, w, h = map(float, box)
            add(int(path.stem), theirs[int(number)], [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height], 0)
    for region in json.loads((data / "crowd_ignore_public.json").read_text()):
        add(region["image_id"], region["category"], region["bbox_xywh"], 1)
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def judge(truth, found):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = truth
        gt.createIndex()
        e = COCOeval(gt, gt.loadRes(found), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    return gt, e


def made(seed):
    """A made-up set and what pycocotools says of it."""
    import random

    r = random.Random(seed)
    classes = r.choice([1, 2, 5])
    images, truth, found = [], [], []
    for image in range(1, r.choice([3, 12]) + 1):
        out = {"truth": [], "found": []}
        for _ in range(r.randrange(8)):
            side = [r.choice([16, 32, 33, 96, 97, 200]) if r.random() < 0.3 else round(4 + r.expovariate(1 / 60), 1) for _ in "wh"]
            box = [round(r.uniform(0, 300), 1), round(r.uniform(0, 300), 1), *side]
            k, crowd = r.randrange(classes), int(r.random() < 0.25)
            area = round(side[0] * side[1] * r.choice([1, 1, 0.6]), 2)
            out["truth"].append([k, *box, area, crowd])
            for _ in range(r.randrange(60 if r.random() < 0.05 else 5)):
                near = [round(v * (1 + r.gauss(0, 0.08)), 1) if r.random() < 0.8 else v for v in box]
                out["found"].append([k if r.random() < 0.9 else r.randrange(classes), r.randrange(1, 40) / 40, *map(abs, near)])
        if r.random() < 0.1:
            for _ in range(130):
                out["found"].append([0, r.randrange(1, 40) / 40, round(r.uniform(0, 300), 1), round(r.uniform(0, 300), 1), 40, 40])
        images.append(out)
        for k, x, y, w, h, area, crowd in out["truth"]:
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": k + 1, "bbox": [x, y, w, h], "area": area, "iscrowd": crowd})
        for k, score, x, y, w, h in out["found"]:
            found.append({"image_id": image, "category_id": k + 1, "bbox": [x, y, w, h], "score": score})
    labelled = {
        "info": {},
        "images": [{"id": i + 1} for i in range(len(images))],
        "annotations": truth,
        "categories": [{"id": k + 1, "name": str(k)} for k in range(classes)],
    }
    if not found:
        return made(seed + 1000)
    _, e = judge(labelled, found)
    return {"classes": classes, "stats": [float(v) for v in e.stats], "images": images}


def main():
    installed()
    import numpy as np
    from importlib.metadata import version

    path = HERE / "coco_random.json.gz"
    path.write_bytes(gzip.compress(json.dumps([made(seed) for seed in range(60)], separators=(",", ":")).encode(), mtime=0))
    print(f"{path.name}: {path.stat().st_size} bytes")

    assets = pathlib.Path(os.environ["DASHLINE_ASSETS"]).resolve()
    for network, listed in NETWORKS.items():
        names = lines(assets / "networks" / listed)
        with tempfile.TemporaryDirectory() as folder:
            dump = pathlib.Path(folder) / "found.json"
            command = ["go", "run", "./cmd/dashline", "eval", "detect", "--network", network, "--engine", "opencv",
                       "--data", assets / DATA, "--dump", dump, "--resamples", "1", "--quiet"]
            subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            found = json.loads(dump.read_text())
        truth = labels(assets / DATA, names)
        _, whole = judge(truth, [dict(d) for d in found])
        kept = [
            {**d, "score": round(d["score"], 4), "bbox": [round(v, 2) for v in d["bbox"]]}
            for d in found if d["score"] >= SCORE
        ]
        gt, e = judge(truth, [dict(d) for d in kept])
        precision = e.eval["precision"]
        per_class = []
        for k, category in enumerate(e.params.catIds):
            p = precision[:, :, k, 0, 2]
            if (p > -1).any():
                objects = sum(not a["iscrowd"] for a in gt.loadAnns(gt.getAnnIds(catIds=[category])))
                per_class.append([int(category) - 1, float(p.mean()), float(p[0].mean()), objects])
        images = {}
        for d in kept:
            images.setdefault(str(d["image_id"]), []).append([d["category_id"] - 1, d["score"], *d["bbox"]])
        result = {
            "network": network,
            "pycocotools": version("pycocotools"),
            "numpy": np.__version__,
            "whole": [float(v) for v in whole.stats],
            "stats": [float(v) for v in e.stats],
            "per_class": per_class,
            "images": images,
        }
        path = HERE / f"coco_eval-{network}.json.gz"
        path.write_bytes(gzip.compress(json.dumps(result, separators=(",", ":")).encode(), mtime=0))
        print(f"{path.name}: {len(kept)} of {len(found)} detections, AP {whole.stats[0]:.6f}, AP50 {whole.stats[1]:.6f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
