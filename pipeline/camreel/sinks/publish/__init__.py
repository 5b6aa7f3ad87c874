"""Live streams: annotated pictures published to a server or player over RTSP, RTMP, UDP or TCP.

`publisher.Publisher` encodes the pictures and decides when to connect; `relay_client.RelayClient` passes the packets to
a process of its own (`relay_process`), which talks to the network and may hang there without harm.
"""
