"""Clip* -> ClipActivation*: run the network. The only room that touches the device."""
