"""Through a real encoder and back, in memory: training shall know what compression does to pictures."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


def through_encoder(pictures: U8, crf: int) -> U8:
    """Encodes to H.264 and decodes again.

    Args:
        pictures: RGB [T, H, W, 3], even sides.
        crf: quality, 0 the best, 51 the worst.

    Returns:
        RGB of the same shape.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=12, options={"crf": str(crf), "preset": "veryfast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = pictures.shape[1], pictures.shape[2], "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as back:
        back.streams.video[0].thread_count = 1
        decoded = [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)]
    return np.stack(decoded)
