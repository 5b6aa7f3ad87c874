"""Cameras: the flow of files with other sources, a policy for frames that come too fast, and pictures that never wait for the network.

    capture lane           network lane, one per camera             main lane
    connections --+--> display channel --------------------------->  newest frame --+
                  +--> network channel > load shedding > the flow >  newest answer -+-> renderer > window, page, recording, stream
                                                          +------->  records

Both channels are bounded in frames and bytes; which frames are dropped depends on how full they are and how old a frame is.
"""
