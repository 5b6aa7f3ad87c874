"""The configuration.

`schema` composes it of the options of the stages. `resolution` finds the value and the origin of each setting.
"""
