"""Class activation maps from feature maps and a head, in closed form or from the head's gradient.

A method is a class or module, and one line in `CAM_METHODS`; `camreel.interfaces.CamMethod` is the contract.

Notation: A_k(p) is the last feature map at cell p of N cells, g_k(p) = d logit / d A_k(p). With global average pooling
and a linear layer with weights w, g_k(p) = w_k m(p) / N, where the pooling weight m (mean 1) is 1 unless the pooling
is not uniform.

Maps are in logits. Most published formulas contain a factor 1/N, which is left out here: the published map is ours
divided by N. Every map is signed: the last ReLU of a formula comes later in the flow, after smoothing in time.
"""

from __future__ import annotations

CAM_METHODS: dict[str, str] = {
    "cam": "camreel.cams.methods:Cam",
    "gradcam": "camreel.cams.methods:GradCam",
    "hirescam": "camreel.cams.methods:HiResCam",
    "gradcam++": "camreel.cams.methods:GradCamPlusPlus",
    "xgradcam": "camreel.cams.methods:XGradCam",
    "layercam": "camreel.cams.methods:LayerCam",
}
"""Name -> class or module with the members of `camreel.interfaces.CamMethod`."""
