"""Annotated videos: the result of a file (`sink.VideoSink`) and recordings of live pictures (`recorder.Recorder`).

Both write through `writer.VideoWriter`, which owns the file and its names. `encoder` chooses the encoder and encodes
pictures, `clock` maps timestamps, `audio` carries the audio tracks. OpenCV must be imported before PyAV: the other way
round its windows hang.
"""
